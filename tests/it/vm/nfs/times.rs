//! How long it takes until the other client has a lock that was given back, and until it sees it
//! free: events do not cross the network, so waiters look again and again, and what they look at
//! may come from a cache.

use super::site::{KINDS, MOUNTS, Site, is_safe, uptime};

pub(super) fn waiters_on_the_other_client(site: &Site) {
    println!("\n| mount | {} |\n|---|{}", KINDS.join(" | "), "---|".repeat(KINDS.len()));
    site.anna.check("/hold wait");
    let jobs = MOUNTS.map(|(mount, _)| {
        let safe: Vec<&str> = KINDS.iter().copied().filter(|kind| is_safe(mount, kind)).collect();
        site.bert.spawn(&format!("/wait-all wait {mount} {}", safe.join(" ")))
    });
    for (mount, _) in MOUNTS {
        site.bert.check(&format!("until [ -e /run/waiting.{mount} ]; do sleep 0.1; done"));
    }
    site.anna.check("/drop");
    let given_back = uptime(&site.bert);
    for ((mount, _), job) in MOUNTS.iter().zip(&jobs) {
        let output = site.bert.wait(job);
        assert_eq!(output.status, 0, "{}", output.text);
        let mut cells = Vec::new();
        for kind in KINDS {
            let at = |what: &str| -> Option<f64> {
                let mark = format!("= {kind} {what} ");
                output.text.lines().find_map(|line| line.strip_prefix(&mark)?.parse().ok())
            };
            let after = |at: f64| format!("{:.1}", (at - given_back).max(0.0));
            let cell = at("run").zip(at("wait"));
            assert_eq!(cell.is_some(), is_safe(mount, kind), "{kind} on {mount}: {}", output.text);
            cells.push(cell.map_or("–".to_owned(), |(run, wait)| {
                format!("{}, {}", after(run), after(wait))
            }));
        }
        println!("| {mount} | {} |", cells.join(" | "));
    }
}
