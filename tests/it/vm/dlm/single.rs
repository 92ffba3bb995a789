//! One node, which is told by hand that it is alone. No daemon is needed for that.

use lock_tests::vm::{Image, Machine, Options};

use super::setup::{hold, kill, measured, with_dlm};

/// The node's address, as the kernel wants it in one write: `struct sockaddr_storage` for
/// 127.0.0.1.
fn loopback() -> Vec<u8> {
    let mut address = vec![0; 128];
    address[..8].copy_from_slice(&[2, 0, 0, 0, 127, 0, 0, 1]);
    address
}

const CLUSTER: &str = "cd /sys/kernel/config/dlm && mkdir cluster && cd cluster && \
    printf alone >cluster_name && mkdir comms/1 && echo 1 >comms/1/nodeid && \
    dd if=/etc/loopback of=comms/1/addr bs=128 count=1 && echo 1 >comms/1/local";

/// Has this lockspace one node, and answers what the kernel asks when it is joined and left.
fn lockspace(name: &str) -> String {
    format!(
        "cd /sys/kernel/config/dlm/cluster/spaces && mkdir {name} {name}/nodes/1 && \
         echo 1 >{name}/nodes/1/nodeid && echo 1 >{name}/nodes/1/weight"
    )
}

/// Answers the kernel's question that a join asks, and waits for it.
fn join(machine: &Machine, name: &str) {
    let daemon = machine.spawn(&format!(
        "until [ -e /sys/kernel/dlm/{name}/event_done ]; do sleep 0.05; done; \
         cd /sys/kernel/dlm/{name} && echo 1 >id && echo 1 >control && echo 0 >event_done"
    ));
    machine.check(&format!("dlm join {name}"));
    assert_eq!(machine.wait(&daemon).status, 0);
}

/// Leaves a lockspace: the answer may be needed, or may come too early to be.
fn leave(machine: &Machine, name: &str, how: &str) {
    let daemon = machine.spawn(&format!(
        "while [ -e /sys/kernel/dlm/{name}/event_done ]; do \
         echo 0 >/sys/kernel/dlm/{name}/event_done; sleep 0.1; done 2>/dev/null; true"
    ));
    machine.check(&format!("dlm {how} {name}"));
    assert_eq!(machine.wait(&daemon).status, 0);
}

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn one_node_alone() {
    let image = with_dlm(Image::new()).with_file("etc/loopback", 0o644, &loopback()).build();
    let machine = Machine::boot(&image, &Options::new("alone"));
    let refused = |command: &str, why: &str| {
        let output = machine.run(command);
        assert!(output.status == 1 && output.text.contains(why), "{command}: {output:?}");
    };
    refused("dlm join t1", "not ready");
    machine.check(CLUSTER);
    machine.check(&lockspace("t1"));
    refused("dlm as-nobody join t1", "permission denied");
    join(&machine, "t1");
    machine.check("dlm join t1");
    measured(&machine.check("dlm device t1"));
    measured(&machine.check("dlm face t1"));
    measured(&machine.check("dlm crowd t1 queue 300"));

    let holder = hold(&machine, "exec dlm hold t1 busy EX plain");
    refused("dlm leave t1", "busy");
    kill(&machine, &holder);
    leave(&machine, "t1", "leave");
    refused("dlm leave t1", "has not joined");
    refused("dlm take t1 busy EX 0", "has not joined");
}
