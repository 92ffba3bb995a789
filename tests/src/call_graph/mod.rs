//! The call graph of an x86-64 executable and how much stack each function takes, read from its
//! machine code as `objdump` prints it. No source, no annotation and no measurement is trusted:
//! what the processor would do is what counts.

mod frame;
mod machine_code;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use machine_code::{bodies, objdump, words};

/// The bytes below the stack pointer that a function which calls nothing may use.
const RED_ZONE: u64 = 128;
/// What a call pushes.
const RETURN_ADDRESS: u32 = 8;

/// An executable's functions.
#[derive(Debug)]
pub struct CallGraph {
    functions: BTreeMap<u64, Function>,
    /// The functions whose address stands somewhere: what a call by address can reach.
    taken: BTreeSet<u64>,
}

/// One function.
#[derive(Debug, Default)]
pub struct Function {
    /// Its name, as Rust has it.
    pub name: String,
    /// The most stack that it takes itself, in bytes, without its return address.
    pub frame: u64,
    calls: Vec<Site>,
}

/// A call, or a jump out of the function.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Site {
    /// How much stack is taken there, with the return address that a call pushes.
    depth: u64,
    /// The function's address; nothing for a call by address.
    target: Option<u64>,
}

impl CallGraph {
    /// Reads an executable that has its symbols.
    ///
    /// # Panics
    ///
    /// If `objdump` cannot read it, or something in it is not understood.
    pub fn read(program: &Path) -> CallGraph {
        let code = objdump(program, &["--disassemble", "--demangle", "--no-show-raw-insn", "-w"]);
        let bodies = bodies(&code);
        let starts: BTreeSet<u64> = bodies.keys().copied().collect();
        let words = words(&objdump(program, &["--full-contents"]));
        let mut taken: BTreeSet<u64> =
            words.values().copied().filter(|word| starts.contains(word)).collect();
        for instruction in bodies.values().flat_map(|(_, body)| body) {
            if !instruction.is_call() && !instruction.is_jump() {
                taken.extend(instruction.constants().filter(|value| starts.contains(value)));
            }
        }
        let functions = bodies
            .iter()
            .map(|(&start, (name, body))| (start, Function::read(name, body, &starts, &words)))
            .collect();
        CallGraph { functions, taken }
    }

    /// The functions.
    pub fn functions(&self) -> impl Iterator<Item = (u64, &Function)> {
        self.functions.iter().map(|(&start, function)| (start, function))
    }

    /// A function's name.
    pub fn name(&self, function: u64) -> &str {
        self.functions.get(&function).map_or("?", |function| &function.name)
    }

    /// The function of this name.
    ///
    /// # Panics
    ///
    /// If there is none, or more than one.
    pub fn find(&self, name: &str) -> u64 {
        let mut found = self.functions().filter(|(_, it)| it.name == name);
        let (Some((start, _)), None) = (found.next(), found.next()) else {
            panic!("not just one function {name}");
        };
        start
    }

    /// The functions that can be called by address.
    pub fn taken(&self) -> impl Iterator<Item = u64> + '_ {
        self.taken.iter().copied()
    }

    /// Those that call by address.
    pub fn indirect(&self) -> impl Iterator<Item = u64> + '_ {
        let calls = |it: &Function| it.calls.iter().any(|site| site.target.is_none());
        self.functions().filter(move |(_, it)| calls(it)).map(|(start, _)| start)
    }

    /// Whom a function calls, and how deep the stack is then; `reaches` has those that it may call
    /// by address.
    fn callees(&self, function: u64, reaches: Reaches<'_>) -> Vec<(u64, u64)> {
        let mut callees = Vec::new();
        for site in self.functions.get(&function).map_or(&[][..], |it| &it.calls) {
            match site.target {
                Some(target) => callees.push((site.depth, target)),
                None => callees.extend(reaches(function).into_iter().map(|it| (site.depth, it))),
            }
        }
        callees
    }

    /// A way from a function back to itself, if there is one.
    pub fn cycle(&self, reaches: Reaches<'_>) -> Option<Vec<&str>> {
        let next = |at| -> Vec<u64> {
            self.callees(at, reaches).into_iter().map(|(_, callee)| callee).collect()
        };
        let mut done = BTreeSet::new();
        for &start in self.functions.keys() {
            // From `start`, each step with those that are not gone yet.
            let mut way = vec![(start, next(start))];
            while let Some((at, left)) = way.last_mut() {
                let Some(callee) = left.pop() else {
                    done.insert(*at);
                    way.pop();
                    continue;
                };
                if let Some(from) = way.iter().position(|&(it, _)| it == callee) {
                    return Some(way[from..].iter().map(|&(it, _)| self.name(it)).collect());
                }
                if !done.contains(&callee) {
                    way.push((callee, next(callee)));
                }
            }
        }
        None
    }

    /// The most stack that a function and all it calls can take, in bytes, and by which calls, if
    /// it does not come through a function that is `avoided`. There must be no cycle.
    pub fn bound(
        &self,
        function: u64,
        reaches: Reaches<'_>,
        avoided: &dyn Fn(u64) -> bool,
    ) -> (u64, Vec<&str>) {
        let mut known = HashMap::new();
        let bound = self.bound_of(function, reaches, avoided, &mut known);
        let mut way = vec![self.name(function)];
        let mut at = function;
        while let Some(&(_, Some(next))) = known.get(&at) {
            way.push(self.name(next));
            at = next;
        }
        (bound, way)
    }

    fn bound_of(
        &self,
        function: u64,
        reaches: Reaches<'_>,
        avoided: &dyn Fn(u64) -> bool,
        known: &mut HashMap<u64, (u64, Option<u64>)>,
    ) -> u64 {
        if let Some(&(bound, _)) = known.get(&function) {
            return bound;
        }
        let mut most = (self.functions.get(&function).map_or(0, |it| it.frame), None);
        for (depth, callee) in self.callees(function, reaches) {
            if avoided(callee) {
                continue;
            }
            let bound = depth + self.bound_of(callee, reaches, avoided, known);
            if bound > most.0 {
                most = (bound, Some(callee));
            }
        }
        known.insert(function, most);
        most.0
    }
}

/// The functions that a function may call by address.
pub type Reaches<'r> = &'r dyn Fn(u64) -> Vec<u64>;
