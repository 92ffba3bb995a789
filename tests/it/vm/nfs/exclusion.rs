//! Who is kept out, who may clean up, and whether what was written under a lock is seen under it.

use super::site::{KINDS, MOUNTS, Site, each, is_kernel_kind, is_safe};

/// How often each client counts up with each kind on each mount.
const ROUNDS: u32 = 4;

pub(super) fn one_client_keeps_out_the_other(site: &Site) {
    site.anna.check("/hold alone");
    for ((mount, kind), status) in each(&site.bert, "alone", "run -n") {
        let expected = if is_safe(mount, kind) { 75 } else { 0 };
        assert_eq!(status, expected, "a try at {kind} on {mount}, held by the other client");
    }
    for ((mount, kind), status) in each(&site.bert, "alone", "status") {
        let expected: &[i32] = if is_safe(mount, kind) { &[0, 4] } else { &[3] };
        assert!(expected.contains(&status), "a look at {kind} on {mount}: {status}");
    }

    site.anna.check("/slay");
    for ((mount, kind), status) in each(&site.bert, "alone", "run -n") {
        let expected = if is_kernel_kind(kind) { 0 } else { 75 };
        assert_eq!(status, expected, "a try at {kind} on {mount}, its holder killed elsewhere");
    }
    for ((mount, kind), status) in each(&site.bert, "alone", "break") {
        if !is_kernel_kind(kind) {
            assert_eq!(status, 75, "no other host judges {kind} on {mount}");
        }
    }
    for ((mount, kind), status) in each(&site.anna, "alone", "run -n") {
        assert_eq!(status, 0, "the host of the killed holder takes {kind} on {mount}");
    }
    for ((mount, kind), status) in each(&site.bert, "alone", "run -w 200") {
        assert_eq!(status, 0, "{kind} on {mount} is anybody's again");
    }
}

pub(super) fn two_clients_count_together(site: &Site) {
    let clients = [&site.anna, &site.bert];
    site.anna.check("for mount in $(cat /mounts); do mkdir /mnt/$mount/count; done");
    let command = format!("/count {ROUNDS}");
    let jobs = clients.map(|client| client.spawn(&command));
    for (client, job) in clients.iter().zip(&jobs) {
        let output = client.wait(job);
        assert_eq!(output.status, 0, "{}", output.text);
    }
    for (mount, _) in MOUNTS {
        for kind in KINDS.iter().filter(|kind| is_safe(mount, kind)) {
            let count = site.server.check(&format!("cat /export/{mount}/count/{kind}.sum"));
            assert_eq!(count.trim(), (2 * ROUNDS).to_string(), "with {kind} on {mount}");
        }
    }
}
