//! Three nodes with corosync and `dlm_controld`: contention, libdlm's programs beside ours, dead
//! nodes, cut networks, lost quorum, dead daemons. One boot for all, since that takes longest.

use std::time::Instant;

use lock_tests::vm::image::Bootable;
use lock_tests::vm::{Hub, Image, Job, Machine, Options};

use super::setup::{NODES, hold, kill, measured, with_cluster};

struct Cluster {
    hub: Hub,
    image: Bootable,
    machines: Vec<Machine>,
}

/// Some checks of the nodes that are there when it begins.
type Step = fn(&mut Cluster);

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn three_nodes() {
    let mut cluster = Cluster::boot();
    let steps: [(&str, Step); 9] = [
        ("nodes exclude each other", exclude),
        ("holders' numbers grow across nodes", numbers),
        ("programs that use libdlm", libdlm),
        ("lockbox", lockbox),
        ("a lockspace full of waiters", waiters),
        ("a holder's node loses its power", dead_holder),
        ("a holder's node is cut off", cut_off),
        ("the quorum is lost and comes back", quorum),
        ("a daemon dies", dead_daemon),
    ];
    for (what, step) in steps {
        let begin = Instant::now();
        println!("{what}");
        step(&mut cluster);
        println!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
    }
}

impl Cluster {
    fn boot() -> Cluster {
        let begin = Instant::now();
        let hub = Hub::new(NODES);
        let image = with_cluster(Image::new()).build();
        let options: Vec<Options> = (1..=NODES).map(|node| options(&hub, node)).collect();
        let machines = Machine::boot_all(&image, &options);
        since("boot of three machines", begin);
        let begin = Instant::now();
        let cluster = Cluster { hub, image, machines };
        let start = format!("cluster {NODES}");
        cluster.all(&start);
        cluster.all("dlm join t1");
        since("three nodes, from corosync to a lockspace", begin);
        cluster
    }

    /// Nodes count from 1.
    fn node(&self, node: usize) -> &Machine {
        &self.machines[node - 1]
    }

    /// Has all nodes run this at once.
    fn all(&self, command: &str) {
        let jobs: Vec<Job> = self.machines.iter().map(|node| node.spawn(command)).collect();
        for (machine, job) in self.machines.iter().zip(&jobs) {
            let output = machine.wait(job);
            assert_eq!(output.status, 0, "{command}: {}", output.text);
        }
    }

    /// A dead node comes back, to a cluster that then has so many.
    fn revive(&mut self, node: usize, members: usize) {
        self.machines[node - 1] = Machine::boot(&self.image, &options(&self.hub, node));
        let output = self.node(node).wait(&self.node(node).spawn(&format!("cluster {members}")));
        assert_eq!(output.status, 0, "{}", output.text);
        self.node(node).check("dlm join t1");
    }
}

fn options(hub: &Hub, node: usize) -> Options {
    Options::new(&format!("n{node}")).memory_mib(512).network(hub, node)
}

fn since(what: &str, begin: Instant) {
    println!("MEASURED {what}: {:.1} s", begin.elapsed().as_secs_f64());
}

/// Starts to wait for a lock, and comes back when that is asked for.
fn wait_for(machine: &Machine, resource: &str) -> Job {
    let job = machine.spawn(&format!("exec dlm take t1 {resource} EX 140000"));
    until_printed(machine, &job, "ASKED");
    job
}

/// The wait ends with the lock.
fn granted(machine: &Machine, job: &Job) {
    let output = machine.wait(job);
    assert_eq!(output.status, 0, "{}", output.text);
}

/// A wait of two seconds ends after these, though everything stands still and even the program's
/// end has to wait.
fn in_vain(machine: &Machine, resource: &str, when: &str) {
    let job = machine.spawn(&format!("exec dlm take t1 {resource} EX 2000"));
    let printed = until_printed(machine, &job, "AFTER");
    assert!(printed.contains("the time is over"), "{printed}");
    let after = printed.lines().find(|line| line.starts_with("AFTER")).unwrap_or_default();
    println!("MEASURED a limit of 2000 ms {when}: {after}");
}

fn until_printed(machine: &Machine, job: &Job, word: &str) -> String {
    let number = job.number;
    machine.check(&format!("until grep -q {word} /run/job/{number}.out; do sleep 0.05; done"));
    machine.printed(job)
}

fn exclude(cluster: &mut Cluster) {
    let [one, two, three] = [1, 2, 3].map(|node| cluster.node(node));
    let holder = hold(one, "exec dlm hold t1 disk EX plain");
    let refused = two.run("dlm take t1 disk PR 0");
    assert!(refused.text.contains("held by another"), "{refused:?}");
    let waiter = wait_for(three, "disk");
    kill(one, &holder);
    granted(three, &waiter);
    let reader = hold(one, "exec dlm hold t1 disk PR plain");
    two.check("dlm take t1 disk PR 0");
    assert_eq!(three.run("dlm take t1 disk PW 0").status, 1);
    kill(one, &reader);
}

fn numbers(cluster: &mut Cluster) {
    let holder = |machine: &Machine, command: &str| -> u64 {
        let text = machine.check(command);
        let number = text.lines().find_map(|line| line.strip_prefix("holder "));
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    let [one, two, three] = [1, 2, 3].map(|node| cluster.node(node));
    // Whose lock is null keeps the value and nobody out.
    let keeper = hold(one, "exec dlm hold t1 work NL plain");
    let worker = "dlm_worker t1 work /tmp/store";
    assert_eq!([one, two, three].map(|node| holder(node, worker)), [1, 2, 3]);
    assert_eq!(holder(two, "peer count t1 work"), 4, "libdlm reads the same value");
    assert_eq!(holder(three, worker), 5, "and writes it");
    kill(one, &keeper);
}

fn libdlm(cluster: &mut Cluster) {
    let [one, two] = [1, 2].map(|node| cluster.node(node));
    for (from, to) in [(one, two), (two, one), (one, one)] {
        let theirs = hold(from, "exec peer hold t1 shared");
        assert_eq!(to.run("dlm take t1 shared EX 0").status, 1);
        let waiter = wait_for(to, "shared");
        kill(from, &theirs);
        granted(to, &waiter);
        let ours = hold(from, "exec dlm hold t1 shared EX plain");
        assert_eq!(to.run("peer try t1 shared").status, 75);
        kill(from, &ours);
        to.check("peer try t1 shared");
    }
}

fn lockbox(cluster: &mut Cluster) {
    let [one, two] = [1, 2].map(|node| cluster.node(node));
    let holder =
        hold(one, "exec lockbox run -k dlm t1/tool -- sh -c 'echo HELD; exec sleep 99999'");
    for (command, status) in [
        ("lockbox run -n -k dlm t1/tool -- true", 75),
        ("lockbox run -w 0.5 -E 9 -k dlm t1/tool -- true", 9),
        ("lockbox wait -w 0.5 -k dlm t1/tool", 75),
        ("lockbox status -k dlm t1/tool", 4),
        ("lockbox run -k dlm elsewhere/tool -- true", 66),
        ("lockbox run -k dlm t1 -- true", 64),
        ("lockbox run -k dlm --inherit t1/tool -- true", 64),
        ("dlm take t1 tool CR 0", 1),
    ] {
        let output = two.run(command);
        assert_eq!(output.status, status, "{command}: {}", output.text);
    }
    let waiter = two.spawn("exec lockbox run -k dlm t1/tool -- sh -c 'exit 7'");
    look(one);
    one.check(&format!("kill -TERM {}", holder.pid));
    assert_eq!(one.wait(&holder).status, 128 + 15);
    assert_eq!(two.wait(&waiter).status, 7);
    two.check("lockbox wait -k dlm t1/tool");
    two.check("lockbox run -s -k dlm t1/tool -- lockbox run -n -s -k dlm t1/tool -- true");
}

/// The node that locked first is master of the resource: it knows of the other's request.
fn look(master: &Machine) {
    let unknown = master.run("lockbox status -k dlm t1/tool");
    assert!(unknown.status == 4 && unknown.text.contains("debugfs"), "{unknown:?}");
    master.check("mount -t debugfs none /sys/kernel/debug");
    let held = master.check("lockbox status -k dlm t1/tool");
    assert!(held.contains("t1/tool: held by a lock of mode EX: pid "), "{held}");
    let json = master.check("lockbox status -j -k dlm t1/tool");
    assert!(json.contains("\"state\":\"held\"") && json.contains("\"node\":null"), "{json}");
    let waits = "dlm EX waited for by pid .* of node 2: t1/tool";
    master.check(&format!("until lockbox list | grep -q '{waits}'; do sleep 0.05; done"));
    let list = master.check("lockbox list");
    assert!(list.contains("dlm EX held by pid ") && list.contains(": t1/tool"), "{list}");
    let json = master.check("lockbox list -j");
    assert!(json.contains("\"node\":2,\"command\":null,\"path\":\"t1/tool\""), "{json}");
    let free = master.run("lockbox status -k dlm t1/nothing");
    assert_eq!(free.status, 4, "another node may hold it: {}", free.text);
}

fn waiters(cluster: &mut Cluster) {
    let [one, two, three] = [1, 2, 3].map(|node| cluster.node(node));
    let holder = hold(one, "exec dlm hold t1 queue EX plain");
    let crowds = [two, three].map(|node| node.spawn("exec dlm crowd t1 queue 150"));
    for (node, crowd) in [two, three].iter().zip(&crowds) {
        until_printed(node, crowd, "ASKED");
    }
    assert_eq!(one.run("dlm leave t1").status, 1, "locks are held");
    kill(one, &holder);
    for (node, crowd) in [two, three].iter().zip(&crowds) {
        let output = node.wait(crowd);
        assert_eq!(output.status, 0, "{}", output.text);
        measured(&output.text);
    }
}

fn dead_holder(cluster: &mut Cluster) {
    let three = cluster.node(3);
    hold(three, "exec dlm hold t1 prize EX plain");
    let many = hold(three, "exec dlm fill t1 many 10000");
    measured(&three.printed(&many));
    let waiter = wait_for(cluster.node(2), "prize");
    let begin = Instant::now();
    cluster.machines[2].kill();
    let two = cluster.node(2);
    granted(two, &waiter);
    since("from the power failure of a node with 10 000 locks to the next holder", begin);
    cluster.node(1).check("dlm take t1 'many 9999' EX 60000");
    cluster.revive(3, 3);
}

fn cut_off(cluster: &mut Cluster) {
    let [two, three] = [2, 3].map(|node| cluster.node(node));
    let holder = hold(three, "exec dlm hold t1 prize EX plain");
    let waiter = wait_for(two, "prize");
    let begin = Instant::now();
    cluster.hub.isolate(3);
    granted(two, &waiter);
    since("from the cut to the next holder, on the side with the quorum", begin);
    three.check(&format!("kill -0 {}", holder.pid));
    println!("the holder that was cut off: {}", three.printed(&holder).trim());
    in_vain(three, "other", "on the side without the quorum");
    healed(cluster, &holder);
    cluster.machines[2].kill();
}

/// The network is whole again, with both sides alive: the one with the quorum goes on, and expels
/// the other, whose lockspace stands still until it boots. Its holder is told nothing.
fn healed(cluster: &Cluster, holder: &Job) {
    let [one, three] = [1, 3].map(|node| cluster.node(node));
    let begin = Instant::now();
    cluster.hub.heal();
    three.check("while kill -0 $(cat /run/dlm_controld.pid) 2>/dev/null; do sleep 0.1; done");
    since("from the network's return to the expulsion of the node that was cut off", begin);
    one.check("dlm take t1 prize EX 60000");
    three.check(&format!("kill -0 {}", holder.pid));
    in_vain(three, "other", "on the node that was expelled");
}

fn quorum(cluster: &mut Cluster) {
    let holder = hold(cluster.node(2), "exec dlm hold t1 prize EX plain");
    assert!(holder.pid > 0);
    let waiter = wait_for(cluster.node(1), "prize");
    cluster.machines[1].kill();
    let one = cluster.node(1);
    one.check("until corosync-quorumtool -s | grep -q 'Quorate: *No'; do sleep 0.1; done");
    in_vain(one, "other", "without a quorum");
    let begin = Instant::now();
    assert_eq!(one.run("lockbox run -w 2 -k dlm t1/tool -- true").status, 75);
    since("lockbox run -w 2 without a quorum", begin);
    assert_eq!(one.wait_within(&waiter, core::time::Duration::from_secs(3)), None);
    let begin = Instant::now();
    cluster.revive(3, 2);
    granted(cluster.node(1), &waiter);
    since("from the boot of another node to the lock of the dead one", begin);
}

fn dead_daemon(cluster: &mut Cluster) {
    let [one, three] = [1, 3].map(|node| cluster.node(node));
    let holder = hold(three, "exec dlm hold t1 prize EX plain");
    let waiter = wait_for(one, "prize");
    let begin = Instant::now();
    three.check("kill -9 $(cat /run/dlm_controld.pid)");
    granted(one, &waiter);
    since("from the end of the holder's dlm_controld to the next holder", begin);
    three.check(&format!("kill -0 {}", holder.pid));
    in_vain(three, "other", "on a node whose dlm_controld died");
}
