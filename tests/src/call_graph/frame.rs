//! One function: how deep its stack goes, and how deep it is at each call.

use std::collections::{BTreeSet, HashMap};

use super::machine_code::Instruction;
use super::{Function, RED_ZONE, RETURN_ADDRESS, Site};

/// A function as it is gone through.
struct Walk<'b> {
    body: &'b [Instruction],
    /// Where in the body an address is.
    at: HashMap<u64, usize>,
    starts: &'b BTreeSet<u64>,
    words: &'b HashMap<u64, u64>,
    /// How deep the stack is before each instruction, as far as that is known.
    depths: Vec<Option<i64>>,
    /// Where to go on, and how deep the stack is there.
    ways: Vec<(usize, i64)>,
    /// How deep it is at the deepest jump by a table, if there is one.
    by_table: Option<i64>,
    deepest: i64,
    calls: bool,
    sites: Vec<Site>,
}

impl Function {
    /// Follows the stack pointer along every way through the function.
    pub(super) fn read(
        name: &str,
        body: &[Instruction],
        starts: &BTreeSet<u64>,
        words: &HashMap<u64, u64>,
    ) -> Function {
        let mut walk = Walk {
            body,
            at: body.iter().enumerate().map(|(nth, it)| (it.address, nth)).collect(),
            starts,
            words,
            depths: vec![None; body.len()],
            ways: vec![(0, 0)],
            by_table: None,
            deepest: 0,
            calls: false,
            sites: Vec::new(),
        };
        while let Some((nth, depth)) = walk.next() {
            assert!(!body[nth].is_strange(), "{name}: {:x?}", body[nth]);
            walk.step(nth, depth);
        }
        walk.sites.sort_unstable();
        walk.sites.dedup();
        let frame = u64::try_from(walk.deepest).expect("it grows down");
        let red_zone = if walk.calls { 0 } else { RED_ZONE };
        Function { name: name.to_owned(), frame: frame + red_zone, calls: walk.sites }
    }
}

impl Walk<'_> {
    /// The next instruction that was not seen yet.
    fn next(&mut self) -> Option<(usize, i64)> {
        while let Some((nth, depth)) = self.ways.pop() {
            if self.depths.get(nth).is_some_and(Option::is_none) {
                return Some((nth, depth));
            }
        }
        // Only a table of jumps leads to what no way has led to.
        let unseen = self.depths.iter().position(Option::is_none);
        unseen.zip(self.by_table)
    }

    fn step(&mut self, nth: usize, depth: i64) {
        let instruction = &self.body[nth];
        self.depths[nth] = Some(depth);
        let copied = nth.checked_sub(1).map(|before| &self.body[before]);
        if let Some(below) = instruction.probes(copied) {
            // The loop that follows touches every page down to there.
            let rest = self.body[nth..].iter();
            let end = nth + rest.take_while(|it| it.name != "jne").count();
            self.depths[nth..=end].fill(Some(depth));
            self.ways.push((end + 1, depth + below));
            self.deepest = self.deepest.max(depth + below);
            return;
        }
        let after = (depth + instruction.deepens()).max(0);
        self.deepest = self.deepest.max(after);
        let target = self.target(nth);
        if instruction.is_call() {
            self.calls = true;
            self.leave(after + i64::from(RETURN_ADDRESS), target);
        } else if instruction.is_jump() {
            match target.and_then(|target| self.at.get(&target)) {
                Some(&inside) => self.ways.push((inside, after)),
                None if target.is_none() && self.is_by_table(nth) => {
                    self.by_table = Some(self.by_table.unwrap_or(0).max(after));
                }
                None => self.leave(after, target),
            }
        }
        if !instruction.ends() {
            self.ways.push((nth + 1, after));
        }
    }

    /// Where a call or a jump goes, if that can be told.
    fn target(&self, nth: usize) -> Option<u64> {
        let instruction = &self.body[nth];
        let read = |from: &Instruction| {
            let word = from.through().and_then(|word| self.words.get(&word)).copied();
            word.or_else(|| from.address_put())
        };
        let Some(register) = instruction.register() else {
            return instruction.target().or_else(|| read(instruction));
        };
        // An address that was read just before,
        let before = nth.checked_sub(1).map(|before| &self.body[before]);
        let jumped_to = self.body.iter().any(|it| it.target() == Some(instruction.address));
        if let Some(before) = before.filter(|it| it.last_operand() == register && !jumped_to) {
            return read(before);
        }
        // or once, if nothing else ever comes into that register.
        let mut targets = self.body.iter().filter(|it| it.writes(register)).map(read);
        let first = targets.next().flatten()?;
        targets.all(|target| target == Some(first)).then_some(first)
    }

    fn leave(&mut self, depth: i64, target: Option<u64>) {
        let function = |target| self.starts.range(..=target).next_back().copied();
        let depth = u64::try_from(depth).expect("it grows down");
        self.sites.push(Site { depth, target: target.and_then(function) });
    }

    /// Whether the jump goes by a table of distances: its register is a sum.
    fn is_by_table(&self, nth: usize) -> bool {
        let Some(register) = self.body[nth].operands.strip_prefix("*%") else { return false };
        let mut before = self.body[nth.saturating_sub(40)..nth].iter().rev();
        before.find(|it| it.last_operand() == register).is_some_and(|it| it.name == "add")
    }
}
