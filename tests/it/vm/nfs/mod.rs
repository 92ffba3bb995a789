//! Locks on NFS: a real server and two real clients, who lose processes, power and each other.

mod deaths;
mod errors;
mod exclusion;
mod site;
mod times;

use site::Site;

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn locks_over_nfs() {
    let mut site = Site::new();
    exclusion::one_client_keeps_out_the_other(&site);
    exclusion::two_clients_count_together(&site);
    times::waiters_on_the_other_client(&site);
    errors::a_directory_that_is_gone(&site);
    errors::a_server_that_does_not_answer(&site);
    deaths::a_server_loses_power(&mut site);
    deaths::a_client_loses_power(&mut site);
}
