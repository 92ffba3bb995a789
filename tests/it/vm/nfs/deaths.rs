//! Machines that lose their power: a server while clients hold locks, and a client that holds them.

use std::time::Instant;

use super::site::{LEASE_SECONDS, Site, each, is_kernel_kind, is_safe, uptime};

pub(super) fn a_server_loses_power(site: &mut Site) {
    site.anna.check("/hold restart");
    let since = Instant::now();
    site.server.kill();
    let during = site.bert.spawn("/each restart run -n");
    site.boot_server();
    println!("the server is back after {:.0} s", since.elapsed().as_secs_f64());
    let output = site.bert.wait(&during);
    println!("what was asked meanwhile is answered after {:.0} s", since.elapsed().as_secs_f64());
    assert_eq!(output.status, 0, "{}", output.text);
    // The clients claimed theirs again before anybody else could have them.
    for ((mount, kind), status) in each(&site.bert, "restart", "run -n") {
        let expected = if is_safe(mount, kind) { 75 } else { 0 };
        assert_eq!(status, expected, "a try at {kind} on {mount}, held since before the restart");
        let tried = format!("= {mount} {kind} {expected}");
        assert!(output.text.contains(&tried), "{tried} during the restart: {}", output.text);
    }
    assert_eq!(site.anna.check("/drop"), "", "no holder lost anything");
    for ((mount, kind), status) in each(&site.bert, "restart", "run -w 200") {
        assert_eq!(status, 0, "{kind} on {mount} was given back after the restart");
    }
}

pub(super) fn a_client_loses_power(site: &mut Site) {
    site.anna.check("/hold power");
    let wait = |mount: &str| {
        let command =
            format!("exec lockbox run -k flock /mnt/{mount}/power/flock -- cat /proc/uptime");
        site.bert.spawn(&command)
    };
    let jobs = ["v4.0", "v4.2", "v3"].map(|mount| (mount, wait(mount)));
    let from = uptime(&site.bert);
    site.anna.kill();
    for (mount, job) in &jobs[..2] {
        let output = site.bert.wait(job);
        let at: f64 = output.text.split(' ').next().and_then(|at| at.parse().ok()).unwrap();
        println!(
            "{mount}: its client without power, it is free after {:.1} s, lease {LEASE_SECONDS}",
            at - from
        );
    }
    for ((mount, kind), status) in each(&site.bert, "power", "run -n") {
        // NFS v3 has no lease: the server waits until the client is back.
        let free = is_kernel_kind(kind) && mount != "v3";
        assert_eq!(
            status,
            if free { 0 } else { 75 },
            "{kind} on {mount}, its client without power"
        );
    }
    let since = Instant::now();
    site.boot_anna();
    let (mount, job) = &jobs[2];
    let output = site.bert.wait(job);
    assert_eq!(output.status, 0, "{}", output.text);
    println!("{mount}: it is free {:.0} s after the client boots", since.elapsed().as_secs_f64());
    // Whether that was this host before its boot, or another of its name, cannot be told: a person
    // says so. A pid file names no boot, so its pid is looked up on its host.
    for ((mount, kind), status) in each(&site.anna, "power", "run -n") {
        let free = is_kernel_kind(kind) || kind == "pidfile";
        assert_eq!(status, if free { 0 } else { 75 }, "{kind} on {mount} after the boot");
    }
    for ((mount, kind), status) in each(&site.bert, "power", "break --force") {
        if !is_kernel_kind(kind) && kind != "pidfile" {
            assert_eq!(status, 0, "a person removes {kind} on {mount}");
        }
    }
    for ((mount, kind), status) in each(&site.bert, "power", "run -w 200") {
        assert_eq!(status, 0, "{kind} on {mount} is anybody's again");
    }
}
