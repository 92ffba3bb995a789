//! Machine code as `objdump` prints it: functions, their instructions, and the words of the data.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

#[derive(Debug)]
pub(super) struct Instruction {
    pub(super) address: u64,
    pub(super) name: String,
    pub(super) operands: String,
    /// What objdump says that an address means.
    meaning: String,
}

pub(super) fn objdump(program: &Path, options: &[&str]) -> String {
    let output = Command::new("objdump").args(options).arg(program).output().expect("objdump runs");
    assert!(output.status.success(), "objdump cannot read {}", program.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The functions' instructions, by where they start.
pub(super) fn bodies(code: &str) -> BTreeMap<u64, (String, Vec<Instruction>)> {
    let mut bodies = BTreeMap::new();
    let mut body: Option<&mut (String, Vec<Instruction>)> = None;
    for line in code.lines() {
        if let Some((address, name)) = line.strip_suffix(">:").and_then(|it| it.split_once(" <")) {
            let start = hex(address).expect("a symbol has an address");
            body = Some(bodies.entry(start).or_insert((name.to_owned(), Vec::new())));
        } else if let (Some(body), Some(instruction)) = (&mut body, Instruction::read(line)) {
            body.1.push(instruction);
        }
    }
    bodies
}

/// The data's words: what is no code.
pub(super) fn words(contents: &str) -> HashMap<u64, u64> {
    let mut bytes = BTreeMap::new();
    let mut is_data = false;
    for line in contents.lines() {
        if let Some(section) = line.strip_prefix("Contents of section ") {
            is_data = [".data", ".rodata", ".got", ".init_array"]
                .iter()
                .any(|data| section.starts_with(data));
        }
        let mut fields = line.strip_prefix(' ').unwrap_or_default().splitn(6, ' ');
        let Some(address) = fields.next().and_then(hex).filter(|_| is_data) else { continue };
        let digits: String = fields.take(4).take_while(|it| !it.is_empty()).collect();
        for at in 0..digits.len() / 2 {
            let byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex digits");
            bytes.insert(address + at as u64, byte);
        }
    }
    let word = |at: u64| {
        let byte = |nth: u64| bytes.get(&(at + nth)).map(|&byte| u64::from(byte) << (8 * nth));
        (0..8).map(byte).sum::<Option<u64>>()
    };
    bytes.keys().filter(|&at| at % 8 == 0).filter_map(|&at| Some((at, word(at)?))).collect()
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
}

fn signed(digits: &str) -> Option<i64> {
    let (sign, digits) = digits.strip_prefix('-').map_or((1, digits), |digits| (-1, digits));
    hex(digits).and_then(|it| i64::try_from(it).ok()).map(|it| sign * it)
}

impl Instruction {
    fn read(line: &str) -> Option<Instruction> {
        let (address, text) = line.trim_start().split_once(":\t")?;
        let address = hex(address)?;
        let (text, meaning) = text.split_once(" # ").unwrap_or((text, ""));
        let mut words = text.trim().splitn(2, ' ');
        let mut name = words.next()?;
        let mut operands = words.next().unwrap_or_default().trim();
        while let "bnd" | "notrack" | "rep" | "repz" | "repnz" | "lock" | "data16" | "cs" = name {
            (name, operands) = operands.split_once(' ').unwrap_or((operands, ""));
            operands = operands.trim();
        }
        let (name, operands) = (name.to_owned(), operands.to_owned());
        Some(Instruction { address, name, operands, meaning: meaning.to_owned() })
    }

    pub(super) fn is_call(&self) -> bool {
        self.name.starts_with("call")
    }

    pub(super) fn is_jump(&self) -> bool {
        self.name.starts_with('j')
    }

    pub(super) fn ends(&self) -> bool {
        matches!(&*self.name, "jmp" | "jmpq" | "ret" | "retq" | "ud2" | "hlt" | "int3")
    }

    /// Where it goes, if that stands in it.
    pub(super) fn target(&self) -> Option<u64> {
        let goes = self.is_call() || self.is_jump();
        self.operands.split(' ').next().and_then(hex).filter(|_| goes)
    }

    /// The word that it reads an address from.
    pub(super) fn through(&self) -> Option<u64> {
        let from = self.operands.split(',').next()?;
        let reads = from.ends_with("(%rip)") && (self.name == "mov" || from.starts_with('*'));
        self.meaning.split(' ').next().and_then(hex).filter(|_| reads)
    }

    /// The address that it puts into a register: a linker writes such for a word that it knows.
    pub(super) fn address_put(&self) -> Option<u64> {
        match &*self.name {
            "lea" if self.operands.contains("(%rip),") => {
                self.meaning.split(' ').next().and_then(hex)
            }
            "mov" => self.operands.strip_prefix('$')?.split(',').next().and_then(hex),
            _ => None,
        }
    }

    /// The register that stands last, which it changes if it changes any.
    pub(super) fn last_operand(&self) -> &str {
        self.operands.rsplit_once(",%").map_or("", |(_, last)| last)
    }

    /// The register that it calls the address in.
    pub(super) fn register(&self) -> Option<&str> {
        self.operands.strip_prefix("*%").filter(|_| self.is_call())
    }

    /// Whether it puts something into this register, or into a part of it, other than back at the
    /// end; true too if that cannot be told.
    pub(super) fn writes(&self, register: &str) -> bool {
        let parts: &[&str] = match register {
            "rbx" => &["%rbx", "%ebx", "%bx", "%bl", "%bh"],
            "rbp" => &["%rbp", "%ebp", "%bp", "%bpl"],
            "r12" => &["%r12", "%r12d", "%r12w", "%r12b"],
            "r13" => &["%r13", "%r13d", "%r13w", "%r13b"],
            "r14" => &["%r14", "%r14d", "%r14w", "%r14b"],
            "r15" => &["%r15", "%r15d", "%r15w", "%r15b"],
            // Calls change the others.
            _ => return true,
        };
        if matches!(&*self.name, "cmp" | "test" | "push" | "pop" | "call" | "jmp") {
            return false;
        }
        let mut operands = self.operands.rsplit(',');
        let last = operands.next().is_some_and(|it| parts.contains(&it));
        last || (self.name.contains("xch") && operands.any(|it| parts.contains(&it)))
    }

    /// The numbers in it that could be addresses.
    pub(super) fn constants(&self) -> impl Iterator<Item = u64> + '_ {
        let immediate = self.operands.strip_prefix('$').and_then(|it| it.split(',').next());
        [immediate, self.meaning.split(' ').next()].into_iter().flatten().filter_map(hex)
    }

    /// How much deeper the stack is after it than before.
    pub(super) fn deepens(&self) -> i64 {
        let by = |operands: &str| operands.strip_suffix(",%rsp")?.strip_prefix('$').and_then(hex);
        // Negative numbers are printed as addresses.
        let by = by(&self.operands).map_or(0, |by| i64::from_ne_bytes(by.to_ne_bytes()));
        match &*self.name {
            "push" | "pushq" | "pushf" | "pushfq" => 8,
            "pop" | "popq" | "popf" | "popfq" => -8,
            "sub" | "subq" => by,
            "add" | "addq" => -by,
            // Rounds down: by one less than what it rounds to, at most.
            "and" => (-by - 1).max(0),
            "lea" => -self.operands.strip_suffix("(%rsp),%rsp").and_then(signed).unwrap_or(0),
            _ => 0,
        }
    }

    /// The bytes below the stack pointer that a loop then goes down, page by page: after a copy of
    /// the stack pointer was lowered by so many.
    pub(super) fn probes(&self, before: Option<&Instruction>) -> Option<i64> {
        let lowers = match &*self.name {
            "lea" => self.operands.strip_suffix("(%rsp),%r11")?.strip_prefix('-')?,
            "sub" if before.is_some_and(|it| it.operands == "%rsp,%r11") => {
                self.operands.strip_suffix(",%r11")?.strip_prefix('$')?
            }
            _ => return None,
        };
        hex(lowers).and_then(|it| i64::try_from(it).ok())
    }

    /// Whether it moves the stack pointer in a way that is not followed. Back up, by the frame
    /// pointer, is not followed either, but can only make it less.
    pub(super) fn is_strange(&self) -> bool {
        let by_number = self.operands.starts_with('$');
        match &*self.name {
            _ if self.operands != "%rsp" && !self.operands.ends_with(",%rsp") => false,
            "cmp" | "test" | "push" => false,
            "add" | "sub" | "and" => !by_number,
            "mov" => !self.operands.starts_with("%rbp"),
            "lea" => !self.operands.contains("(%rbp)") && !self.operands.contains("(%rsp)"),
            _ => true,
        }
    }
}
