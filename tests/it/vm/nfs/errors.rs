//! What a program is told when the server removes what it stands on, or does not answer.

use core::time::Duration;

use super::site::{KINDS, Site, is_kernel_kind, uptime};

const INPUT_OUTPUT_ERROR: i32 = 74;
/// What an attempt at a lock in a directory that is gone ends with: none such, cannot create, or a
/// stale file handle, as the client knows it.
const UNUSABLE: [i32; 3] = [66, 73, INPUT_OUTPUT_ERROR];

pub(super) fn a_directory_that_is_gone(site: &Site) {
    for mount in ["v3", "v4.2"] {
        site.anna.check(&format!("mkdir /mnt/{mount}/gone"));
        let hold = |kind: &str| {
            site.anna.spawn(&format!(
                "cd /mnt/{mount}/gone && exec lockbox run -n -k {kind} {kind} -- \
                 sh -c 'touch /run/{mount}.{kind}; while [ -e /run/{mount}.{kind} ]; \
                 do sleep 0.2; done'"
            ))
        };
        let jobs = KINDS.map(hold);
        let inside = site.anna.spawn(&format!(
            "cd /mnt/{mount}/gone && touch /run/inside && \
             while [ -e /run/inside ]; do sleep 0.2; done; for kind in $(cat /kinds); \
             do lockbox run -n -k $kind try.$kind -- true; echo \"= $kind $?\"; done"
        ));
        site.anna.check("until [ -e /run/inside ]; do sleep 0.1; done");
        for kind in KINDS {
            site.anna.check(&format!("until [ -e /run/{mount}.{kind} ]; do sleep 0.1; done"));
        }
        site.server.check(&format!("rm -r /export/{mount}/gone && sync"));
        site.anna.check("rm /run/inside");
        for (kind, job) in KINDS.iter().zip(&jobs) {
            site.anna.check(&format!("rm /run/{mount}.{kind}"));
            let output = site.anna.wait(job);
            println!("ESTALE {mount} {kind} {} {}", output.status, output.text.trim());
            // A name that is gone is a lock that was lost; the kernel's locks need no name.
            let told = !output.text.trim().is_empty();
            assert_eq!(told, !is_kernel_kind(kind), "{kind} on {mount}: {}", output.text);
        }
        let output = site.anna.wait(&inside);

        for kind in KINDS {
            let told = |status: &i32| output.text.contains(&format!("= {kind} {status}\n"));
            assert!(UNUSABLE.iter().any(told), "{kind} on {mount}: {}", output.text);
        }
    }
}

pub(super) fn a_server_that_does_not_answer(site: &Site) {
    let soft = [("v3", "vers=3"), ("v4.2", "vers=4.2")];
    for (mount, options) in soft {
        site.bert.check(&format!(
            "mkdir -p /mnt/soft-{mount} && mount.nfs server:/export/{mount} /mnt/soft-{mount} \
             -o {options},soft,timeo=10,retrans=1 && touch /mnt/soft-{mount}/flock"
        ));
    }
    site.hub.isolate(1);
    for (mount, _) in soft {
        for kind in ["flock", "nfs"] {
            let from = uptime(&site.bert);
            let output = site
                .bert
                .run(&format!("lockbox run -n -k {kind} /mnt/soft-{mount}/{kind} -- true"));
            let took = uptime(&site.bert) - from;
            println!("soft {mount} {kind}: {took:.1} s, {}", output.text.trim());
            assert_eq!(output.status, INPUT_OUTPUT_ERROR, "{kind} on {mount}: {}", output.text);
            assert!(output.text.contains("input/output error"), "{kind}: {}", output.text);
        }
    }
    // A hard mount waits for the server, whatever limit a program has; only a kill ends that.
    for mount in ["v3", "v4.2"] {
        let stuck =
            site.bert.spawn(&format!("exec lockbox run -w 1 -k nfs /mnt/{mount}/stuck -- true"));
        assert_eq!(site.bert.wait_within(&stuck, Duration::from_secs(4)), None, "on {mount}");
        site.bert.check(&format!("kill -9 {}", stuck.pid));
        assert_eq!(site.bert.wait(&stuck).status, 128 + 9, "on {mount}");
    }
    site.hub.heal();
    for (mount, _) in soft {
        site.bert.check(&format!("lockbox run -w 200 -k nfs /mnt/{mount}/stuck -- true"));
        site.bert.check(&format!("umount /mnt/soft-{mount}"));
    }
}
