//! The harness itself: commands and jobs, a network that can be cut, files that are shared.

use core::time::Duration;
use std::fs;

use lock_tests::vm::{Hub, Image, Machine, Options, cache};

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn commands_answer_what_they_print_and_how_they_end() {
    let share = cache().join("share");
    fs::create_dir_all(&share).unwrap();
    fs::write(share.join("text"), "from the host\n").unwrap();
    let image = Image::new().with_sharing().with_file("etc/greeting", 0o600, b"hello\n").build();
    let machine = Machine::boot(&image, &Options::new("solo").share(&share, "/share"));

    let output = machine.run("cat /etc/greeting; hostname; printf 'a\\\\b\\n'; exit 7");
    assert_eq!((output.status, &output.text[..]), (7, "hello\nsolo\na\\b\n"));
    assert_eq!(machine.check("for word in two lines\ndo echo $word\ndone"), "two\nlines\n");
    assert_eq!(
        machine.check("cat /share/text; echo from the guest >/share/answer"),
        "from the host\n"
    );
    assert_eq!(fs::read_to_string(share.join("answer")).unwrap(), "from the guest\n");

    let quick = machine.spawn("echo 'it''s'; exit 3");
    let endless = machine.spawn("echo begun; exec sleep 100000");
    let output = machine.wait(&quick);
    assert_eq!((output.status, &output.text[..]), (3, "its\n"));
    assert_eq!(machine.wait(&quick), output, "it can be asked again");
    assert_eq!(machine.wait_within(&endless, Duration::from_secs(1)), None);
    assert_eq!(machine.printed(&endless), "begun\n");
    machine.check(&format!("kill -9 {}", endless.pid));
    assert_eq!(machine.wait(&endless).status, 128 + 9);
    fs::remove_dir_all(share).unwrap();
}

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn machines_hear_each_other_until_one_is_cut_off() {
    let hub = Hub::new(2);
    let image = Image::new().with_network().build();
    let options = [1, 2].map(|port| Options::new(&format!("n{port}")).network(&hub, port));
    let machines = Machine::boot_all(&image, &options);
    machines[0].check("ping -c 1 -w 100 10.77.0.2");
    hub.isolate(2);
    assert_eq!(machines[0].run("ping -c 1 -w 2 10.77.0.2").status, 1);
    hub.heal();
    machines[1].check("ping -c 1 -w 100 10.77.0.1");
}
