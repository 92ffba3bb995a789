//! Kernel modules with everything they stand on, in the order of loading. The modules say
//! themselves what they depend on, so neither depmod nor modprobe is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool;

/// A module to load.
#[derive(Debug)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The module itself, an ELF file.
    pub bytes: Vec<u8>,
}

/// These modules after all that they depend on. What is built into the kernel is left out.
///
/// # Panics
///
/// If there is no such module in `dir`, which is `lib/modules/VERSION` of a kernel package.
pub fn in_order(dir: &Path, wanted: &[&str]) -> Vec<Module> {
    let builtin = fs::read_to_string(dir.join("modules.builtin")).expect("the list of builtins");
    let builtin = builtin.lines().map(|line| name_of(Path::new(line))).collect();
    let mut found = BTreeMap::new();
    index(dir, &mut found);
    let mut order = Order { found, builtin, modules: Vec::new() };
    for name in wanted {
        order.add(&name.replace('-', "_"), 0);
    }
    order.modules
}

struct Order {
    found: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    modules: Vec<Module>,
}

impl Order {
    fn add(&mut self, name: &str, depth: u32) {
        if self.builtin.contains(name) || self.modules.iter().any(|module| module.name == name) {
            return;
        }
        assert!(depth < 20, "{name} depends on itself");
        let path = self.found.get(name).unwrap_or_else(|| panic!("no kernel module {name}"));
        let bytes = if path.extension().is_some_and(|end| end == "xz") {
            tool(Command::new("xz").args(["--decompress", "--stdout"]).arg(path))
        } else {
            fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        for dependency in depends(&bytes) {
            self.add(&dependency, depth + 1);
        }
        self.modules.push(Module { name: name.to_owned(), bytes });
    }
}

/// What a module says it depends on: `depends=a,b` among the strings of its `.modinfo`.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let value = String::from_utf8_lossy(value);
    value.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// `some/where/virtio-net.ko.xz` as `virtio_net`.
fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

fn index(dir: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let entry = entry.expect("an entry");
        let path = entry.path();
        if entry.file_type().expect("its type").is_dir() {
            index(&path, found);
        } else if path.to_string_lossy().contains(".ko") {
            found.insert(name_of(&path), path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{depends, name_of};
    use std::path::Path;

    #[test]
    fn modules_say_what_they_depend_on() {
        let table: [(&[u8], &[&str]); 4] = [
            (
                b"\x7fELF\0license=GPL\0depends=configfs,net-failover\0vermagic=6\0",
                &["configfs", "net_failover"],
            ),
            (b"\0depends=\0", &[]),
            (b"\0depends=last", &["last"]),
            (b"no such string", &[]),
        ];
        for (module, expected) in table {
            assert_eq!(depends(module), expected);
        }
    }

    #[test]
    fn a_module_is_named_after_its_file() {
        for file in ["kernel/net/virtio-net.ko", "virtio_net.ko.xz"] {
            assert_eq!(name_of(Path::new(file)), "virtio_net");
        }
    }
}
