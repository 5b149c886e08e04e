//! notifierd as a process, with real hooks; the test plays vrrp-core at the other end of the feed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]

#[path = "../../checkerd/tests/harness/mod.rs"]
mod harness;
#[path = "core/mod.rs"]
mod vrrp_core;

use std::io::Write as _;
use std::time::Duration;

use harness::{Client, Daemon, Scratch};
use ipc::events::{Event, Told};
use ipc::hooks::{HooksView, Message, Status};
use ipc::json;
use sys::process::{Exit, Signal};
use vrrp_core::{Core, instance, name};

fn start(scratch: &Scratch, config: &str) -> Daemon {
    Daemon::start(env!("CARGO_BIN_EXE_notifierd"), scratch, config)
}

/// A hook that appends what it was told to `told`: arguments, previous state, cause.
fn recorder(scratch: &Scratch) -> String {
    let text = "#!/bin/sh\necho \"$* | $HANDOVER_STATE after $HANDOVER_PREVIOUS: $HANDOVER_CAUSE\" >> TOLD\n";
    let text = text.replace("TOLD", scratch.path("told").to_str().unwrap());
    scratch.write("hook", &text, 0o755).display().to_string()
}

fn whole_status(client: &mut Client) -> Status {
    client.send(r#"{"request":"status"}"#).unwrap();
    client.find(|message| match message {
        Message::Status(status) => Some(*status),
        Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    })
}

/// Of each instance.
fn status(client: &mut Client) -> Vec<HooksView> {
    whole_status(client).instances.into_iter().map(|it| it.hooks).collect()
}

fn told(daemon: &Daemon, scratch: &Scratch, lines: usize) -> Vec<String> {
    daemon.until("what hooks were told", || {
        let told: Vec<String> = scratch.read("told").lines().map(str::to_owned).collect();
        (told.len() >= lines).then_some(told)
    })
}

#[test]
fn hooks_run_in_order_with_keepalived_arguments_and_more_in_the_environment() {
    let scratch = Scratch::new("notifierd-order");
    let hook = recorder(&scratch);
    let keep = "#!/bin/sh\ncat > stdin.new\nmv stdin.new stdin\n";
    let keep = keep.replace("stdin", scratch.path("stdin").to_str().unwrap());
    let keep = scratch.write("keep", &keep, 0o755);
    let hooks = format!(
        "notify_master \"{hook} as master\"\n notify_backup {}\n notify \"{hook} own words\"",
        keep.display()
    );
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("api_vip", 5, &hooks));
    let mut core = Core::accept(&listener, &[("api_vip", Told::Init)]);
    core.event("api_vip", Told::Init, Told::Backup);
    assert_eq!(
        told(&daemon, &scratch, 1),
        ["own words INSTANCE api_vip BACKUP 120 | BACKUP after INIT: the test wants it"]
    );
    core.event("api_vip", Told::Backup, Told::Master);
    assert_eq!(
        told(&daemon, &scratch, 3)[1..],
        [
            "as master | MASTER after BACKUP: the test wants it",
            "own words INSTANCE api_vip MASTER 120 | MASTER after BACKUP: the test wants it",
        ]
    );
    core.event("api_vip", Told::Master, Told::Backup);
    let event = daemon.until("what notify_backup found on standard input", || {
        json::parse::<Event>(scratch.read("stdin").as_bytes()).ok().filter(|event| event.sequence == 3)
    });
    assert_eq!((event.instance, event.to, event.monotonic), (name("api_vip"), Told::Backup, 42));
}

#[test]
fn the_hooks_of_a_group_are_told_of_the_group_and_queued_like_those_of_instances() {
    let scratch = Scratch::new("notifierd-group");
    let hook = recorder(&scratch);
    let env =
        format!("#!/bin/sh\nenv > {0}.new\ncat >> {0}.new\nmv {0}.new {0}\n", scratch.path("env").display());
    let env = scratch.write("env-hook", &env, 0o755);
    let group = format!(
        "vrrp_sync_group pair {{\n group {{\n A B\n }}\n notify_master \"{hook} as master\"\n notify_fault {}\n notify {hook}\n}}\n",
        env.display()
    );
    let config = group + &instance("A", 1, "") + &instance("B", 2, "");
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &config);
    let both = |state| [("A", state), ("B", state)];
    let mut core = Core::accept_with(&listener, &both(Told::Backup), &[("pair", Told::Backup)]);
    assert_eq!(
        told(&daemon, &scratch, 1),
        ["GROUP pair BACKUP 0 | BACKUP after INIT: the test wants it"],
        "members have no hooks"
    );
    core.event("A", Told::Backup, Told::Master);
    core.event("B", Told::Backup, Told::Master);
    core.group_event("pair", Told::Backup, Told::Master);
    assert_eq!(
        told(&daemon, &scratch, 3)[1..],
        [
            "as master | MASTER after BACKUP: the test wants it",
            "GROUP pair MASTER 0 | MASTER after BACKUP: the test wants it",
        ]
    );
    // What happened while the feed was gone is made up for, what is known isn't told again.
    drop(core);
    let core = Core::accept_with(&listener, &both(Told::Master), &[("pair", Told::Master)]);
    drop(core);
    let mut core = Core::accept_with(&listener, &both(Told::Fault), &[("pair", Told::Fault)]);
    let all = told(&daemon, &scratch, 4);
    assert_eq!(all[3..], ["GROUP pair FAULT 0 | FAULT after MASTER: the test wants it"]);
    let env = scratch.read("env");
    assert!(env.contains("HANDOVER_GROUP=pair\n") && !env.contains("HANDOVER_INSTANCE"), "{env}");
    assert!(env.contains(r#""group":"pair""#), "the event is on standard input: {env}");
    core.group_event("pair", Told::Fault, Told::Stop);
    assert!(told(&daemon, &scratch, 5)[4].starts_with("GROUP pair STOP 0"));
    let mut client = daemon.connect();
    let group = daemon.until("six hooks", || {
        Some(whole_status(&mut client).groups.remove(0)).filter(|group| group.hooks.runs == 6)
    });
    assert_eq!((group.group.as_str(), group.hooks.told), ("pair", Some(Told::Stop)));
    assert_eq!(whole_status(&mut client).instances.len(), 2);
}

#[test]
fn a_slow_hook_is_waited_for_and_what_is_overtaken_meanwhile_is_not_told() {
    let scratch = Scratch::new("notifierd-slow");
    let hook = recorder(&scratch);
    let slow = format!(
        "#!/bin/sh\n{hook} \"$@\"\nwhile ! test -e {}; do sleep 0.02; done\n",
        scratch.path("go").display()
    );
    let slow = scratch.write("slow", &slow, 0o755);
    let listener = Core::listen(&scratch);
    let config = instance("A", 1, &format!("notify {}", slow.display()))
        + &instance("B", 2, &format!("notify {hook}"));
    let daemon = start(&scratch, &config);
    let mut core = Core::accept(&listener, &[("A", Told::Backup), ("B", Told::Init)]);
    told(&daemon, &scratch, 1);
    core.event("A", Told::Backup, Told::Master);
    core.event("A", Told::Master, Told::Fault);
    core.event("A", Told::Fault, Told::Backup);
    core.event("A", Told::Backup, Told::Master);
    // Another instance is not kept waiting.
    core.event("B", Told::Init, Told::Backup);
    assert!(told(&daemon, &scratch, 2)[1].starts_with("INSTANCE B BACKUP"));
    let mut client = daemon.connect();
    let waiting = status(&mut client).remove(0);
    assert_eq!((waiting.queued, waiting.running.as_deref()), (1, Some("notify for BACKUP")));
    scratch.write("go", "", 0o644);
    let all = told(&daemon, &scratch, 3);
    assert!(all[2].starts_with("INSTANCE A MASTER 120 | MASTER after BACKUP"), "{all:?}");
    daemon.until("rest", || status(&mut client).remove(0).running.is_none().then_some(()));
    assert_eq!(told(&daemon, &scratch, 3).len(), 3);
    assert!(daemon.log().contains("no hook is run for FAULT: overtaken by"), "{}", daemon.log());
}

/// C1. A hook that ignores SIGTERM and leaves a child.
#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_it_started() {
    let scratch = Scratch::new("notifierd-timeout");
    let hangs =
        "#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $! > CHILD\necho hanging\nwhile true; do sleep 1; done\n";
    let hangs = hangs.replace("CHILD", scratch.path("child").to_str().unwrap());
    let hangs = scratch.write("hangs", &hangs, 0o755);
    let hook = recorder(&scratch);
    let listener = Core::listen(&scratch);
    let hooks = format!("notify_master {} \n notify {hook} \n notify_timeout 2", hangs.display());
    let daemon = start(&scratch, &instance("A", 1, &hooks));
    let mut core = Core::accept(&listener, &[("A", Told::Init)]);
    core.event("A", Told::Init, Told::Master);
    told(&daemon, &scratch, 1);
    let mut client = daemon.connect();
    assert_eq!(status(&mut client).remove(0).failures, 1);
    let history = daemon.until("the history", || {
        let text = scratch.read("history.jsonl");
        text.lines().find(|line| line.contains("timed out")).map(str::to_owned)
    });
    assert!(history.contains(r#""hook":"notify_master""#) && history.contains("hanging"), "{history}");
    assert!(daemon.log().contains("(A) notify_master for MASTER takes longer than its notify_timeout"));
    let child: i32 = scratch.read("child").trim().parse().unwrap();
    daemon.until("the end of what it left", || {
        (!std::path::Path::new(&format!("/proc/{child}")).exists()).then_some(())
    });
}

#[test]
fn with_a_queue_for_all_a_slow_hook_misses_nothing_but_what_is_too_much() {
    let scratch = Scratch::new("notifierd-queue");
    let hook = recorder(&scratch);
    let go = scratch.path("go");
    let slow = format!("#!/bin/sh\n{hook} \"$@\"\nwhile ! test -e {}; do sleep 0.02; done\n", go.display());
    let slow = scratch.write("slow", &slow, 0o755);
    let listener = Core::listen(&scratch);
    let hooks = format!("notify {} \n notify_queue all \n notify_queue_limit 2", slow.display());
    let daemon = start(&scratch, &instance("A", 1, &hooks));
    let mut core = Core::accept(&listener, &[("A", Told::Backup)]);
    told(&daemon, &scratch, 1);
    for (from, to) in [(Told::Backup, Told::Master), (Told::Master, Told::Fault), (Told::Fault, Told::Backup)]
    {
        core.event("A", from, to);
    }
    let mut client = daemon.connect();
    daemon.until("what waits", || (status(&mut client).remove(0).superseded == 1).then_some(()));
    assert_eq!(status(&mut client).remove(0).queued, 2);
    scratch.write("go", "", 0o644);
    let all = told(&daemon, &scratch, 3);
    let states: Vec<&str> = all.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(states, ["BACKUP", "FAULT", "BACKUP"]);
    assert!(
        daemon.log().contains("(A) no hook is run for MASTER: more states wait than may"),
        "{}",
        daemon.log()
    );
}

#[test]
fn after_a_reconnect_hooks_run_only_for_what_differs() {
    let scratch = Scratch::new("notifierd-reconnect");
    let hook = recorder(&scratch);
    let config =
        ["A", "B"].map(|name| instance(name, name.as_bytes()[0], &format!("notify {hook}"))).concat();
    let daemon = start(&scratch, &config);
    // It is started before vrrp-core, and waits.
    let listener = Core::listen(&scratch);
    let core = Core::accept(&listener, &[("A", Told::Master), ("B", Told::Backup)]);
    assert_eq!(told(&daemon, &scratch, 2).len(), 2);
    drop(core);
    let _core = Core::accept(&listener, &[("A", Told::Master), ("B", Told::Master)]);
    let all = told(&daemon, &scratch, 3);
    assert!(all[2].starts_with("INSTANCE B MASTER 100 | MASTER after BACKUP"), "{all:?}");
    let mut client = daemon.connect();
    daemon.until("rest", || status(&mut client).iter().all(|it| it.running.is_none()).then_some(()));
    assert_eq!(told(&daemon, &scratch, 3).len(), 3);
}

#[test]
fn a_hook_that_cannot_run_is_named_and_the_next_one_runs() {
    let scratch = Scratch::new("notifierd-missing");
    let hook = recorder(&scratch);
    let plain = scratch.write("plain", "#!/bin/sh\n", 0o644);
    let hooks = format!("notify_master /no/such/hook\n notify_backup {}\n notify {hook}", plain.display());
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &hooks));
    let mut core = Core::accept(&listener, &[("A", Told::Master)]);
    told(&daemon, &scratch, 1);
    core.event("A", Told::Master, Told::Backup);
    told(&daemon, &scratch, 2);
    let log = daemon.log();
    assert!(log.contains("(A) notify_master for MASTER failed: /no/such/hook: no such program"), "{log}");
    assert!(log.contains("not executable (mode 0644)"), "{log}");
    let mut client = daemon.connect();
    let status = daemon.until("four hooks", || Some(status(&mut client).remove(0)).filter(|it| it.runs == 4));
    assert_eq!(status.failures, 2);
}

#[test]
fn garbage_on_the_feed_and_on_the_socket_changes_nothing() {
    let scratch = Scratch::new("notifierd-garbage");
    let hook = recorder(&scratch);
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify {hook}")));
    let mut core = Core::accept(&listener, &[]);
    core.stream.write_all(b"{not json\n\n\xff\n[]\n{\"type\":\"news\"}\n").unwrap();
    core.event("nobody", Told::Init, Told::Master);
    core.event("A", Told::Init, Told::Backup);
    assert!(told(&daemon, &scratch, 1)[0].starts_with("INSTANCE A BACKUP"));
    assert!(
        daemon.log().contains("(nobody) no hook is run for MASTER: it isn't in our configuration"),
        "{}",
        daemon.log()
    );

    let mut client = daemon.connect();
    let Some(Message::Hello(hello)) = client.next() else { panic!("no hello") };
    assert_eq!((hello.program.as_str(), hello.pid), ("notifierd", daemon.pid()));
    client.send("{not json").unwrap();
    let error = client.find(|message| match message {
        Message::Error { error } => Some(error),
        Message::Hello(_) | Message::Status(_) | Message::Reload(_) => None,
    });
    assert!(error.starts_with("expected {"), "{error}");
    assert_eq!(status(&mut client).len(), 1);
    let mut endless = daemon.connect();
    // It may be gone before all is written.
    let _ = endless.send(&"x".repeat(1 << 20));
    while endless.next::<Message>().is_some() {}
    assert_eq!(status(&mut client).len(), 1);
}

#[test]
fn after_sigterm_the_stop_hooks_still_run() {
    let scratch = Scratch::new("notifierd-stop");
    let hook = recorder(&scratch);
    let listener = Core::listen(&scratch);
    let hooks = format!("notify_stop \"{hook} stopped\"\n notify {hook}");
    let daemon = start(&scratch, &instance("A", 1, &hooks));
    let mut core = Core::accept(&listener, &[("A", Told::Backup)]);
    told(&daemon, &scratch, 1);
    core.stopping();
    daemon.signal(Signal::TERM);
    daemon.until("the signal", || daemon.log().contains("stopping").then_some(()));
    // Longer than somebody is waited for who goes on. A slow machine makes it longer still, and nothing else.
    sys::clock::sleep_until(sys::clock::now() + Duration::from_millis(2500));
    core.event("A", Told::Backup, Told::Stop);
    drop(core);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(!log.contains("vrrp-core goes on"), "{log}");
    let all = scratch.read("told");
    let all: Vec<&str> = all.lines().collect();
    assert!(all[1].starts_with("stopped | STOP after BACKUP"), "{all:?}");
    assert!(all[2].starts_with("INSTANCE A STOP 120"), "{all:?}");
}

/// Whoever stops notifierd alone doesn't wait until the time for last hooks is over.
#[test]
fn a_vrrp_core_that_goes_on_is_not_waited_for() {
    let scratch = Scratch::new("notifierd-alone");
    let hook = recorder(&scratch);
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify {hook}")));
    let _core = Core::accept(&listener, &[("A", Told::Backup)]);
    told(&daemon, &scratch, 1);
    daemon.signal(Signal::TERM);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains("vrrp-core goes on: nothing of it is waited for"), "{log}");
}

/// `cp new-hook hook`, at the wrong moment.
#[test]
fn a_hook_that_is_being_written_is_run_once_that_is_done() {
    let scratch = Scratch::new("notifierd-busy");
    let (hook, good) = (scratch.write("busy", "#!/bin/sh\necho busy >> TOLD\n", 0o755), recorder(&scratch));
    let text =
        std::fs::read_to_string(&hook).unwrap().replace("TOLD", scratch.path("told").to_str().unwrap());
    std::fs::write(&hook, text).unwrap();
    let writer = std::fs::File::options().append(true).open(&hook).unwrap();
    let listener = Core::listen(&scratch);
    let config = instance("A", 1, &format!("notify {}", hook.display()));
    let daemon = start(&scratch, &(config + &instance("B", 2, &format!("notify {good}"))));
    let _core = Core::accept(&listener, &[("A", Told::Master), ("B", Told::Master)]);
    daemon.until("it is told", || {
        daemon
            .log()
            .contains("(A) notify: somebody is writing its program; tried again for 10 s")
            .then_some(())
    });
    assert!(told(&daemon, &scratch, 1)[0].starts_with("INSTANCE B MASTER"), "nobody waits for it");
    drop(writer);
    assert_eq!(told(&daemon, &scratch, 2)[1], "busy");
    assert!(!daemon.log().contains("failed"), "{}", daemon.log());
}

/// `agent &` in a hook, which says something now and then.
#[test]
fn what_a_hook_leaves_running_writes_on_after_notifierd_is_gone() {
    let scratch = Scratch::new("notifierd-agent");
    let agent = "#!/bin/sh\ncd DIRECTORY\nn=0\n\
        while test ! -e over && echo tick; do n=$((n+1)); echo $n > count.new; mv count.new count; sleep 0.01; done &\n";
    let agent = agent.replace("DIRECTORY", scratch.path("").to_str().unwrap());
    let agent = scratch.write("agent", &agent, 0o755);
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify_master {}", agent.display())));
    let _core = Core::accept(&listener, &[("A", Told::Master)]);
    let count = || scratch.read("count").trim().parse::<u32>().unwrap_or_default();
    // Whoever has ended stays there until it is reaped; a child that isn't a zombie is the keeper.
    let keeper = daemon.until("a process that keeps the pipe", || {
        let pid = daemon.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().map(str::to_owned).find(|child| {
            let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == b"keep-pipes")
        })
    });
    daemon.until("the agent", || (count() > 10).then_some(()));
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.ended().0, Exit::Signal(9));
    let before = count();
    let wait_for = |what: &str, is_so: &dyn Fn() -> bool| {
        let limit = sys::clock::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(sys::clock::now() < limit, "{what}");
            sys::clock::sleep_until(sys::clock::now() + Duration::from_millis(10));
        }
    };
    wait_for("the agent writes on", &|| count() > before + 50);
    scratch.write("over", "", 0o644);
    wait_for("who kept its pipe ends with it", &|| {
        let stat = std::fs::read_to_string(format!("/proc/{keeper}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    });
}

/// More than may be young at a time, and each has longer than this test.
#[test]
fn hooks_that_hang_keep_no_other_instance_waiting_not_even_at_the_stop() {
    let scratch = Scratch::new("notifierd-many-hang");
    let hook = recorder(&scratch);
    let names: Vec<String> = (0..70).map(|i| format!("H{i}")).collect();
    let hangs =
        |(name, id): (&String, u8)| instance(name, id, "notify_timeout 600\n notify \"/bin/sleep 600\"");
    let config: String = names.iter().zip(1..).map(hangs).collect();
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &(config + &instance("Z", 200, &format!("notify {hook}"))));
    let snapshot: Vec<_> =
        names.iter().map(|it| (it.as_str(), Told::Backup)).chain([("Z", Told::Backup)]).collect();
    let mut core = Core::accept(&listener, &snapshot);
    told(&daemon, &scratch, 1);
    for name in &names {
        core.event(name, Told::Backup, Told::Stop);
    }
    core.event("Z", Told::Backup, Told::Stop);
    core.stopping();
    daemon.signal(Signal::TERM);
    let all = told(&daemon, &scratch, 2);
    assert!(all[1].starts_with("INSTANCE Z STOP"), "{all:?}");
    drop(core);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(!log.contains("(Z) STOP isn't told"), "{log}");
}

#[test]
fn a_hook_that_hangs_does_not_keep_us_from_stopping() {
    let scratch = Scratch::new("notifierd-hangs");
    let script =
        "#!/bin/sh\ntrap '' TERM\necho $$ > pid.new\nmv pid.new pid\nwhile true; do sleep 1000; done\n";
    let script = script.replace("pid", scratch.path("pid").to_str().unwrap());
    let script = scratch.write("hangs", &script, 0o755);
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify {}", script.display())));
    let core = Core::accept(&listener, &[("A", Told::Master)]);
    let pid = daemon.until("the hook", || scratch.read("pid").trim().parse::<u32>().ok());
    daemon.signal(Signal::TERM);
    drop(core);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains("they are killed"), "{log}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the hook outlived us, or is a zombie");
}
