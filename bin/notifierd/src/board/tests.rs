use config::Loaded;
use ipc::events::{Event, GroupEvent, Notice};
use model::{Cause, Evidence, GroupName, InstanceName, Priority};
use proptest::prelude::*;

use super::*;

fn instances(count: usize, hooks: &str) -> String {
    let one = |i| {
        let (link, id) = (i / 200, i % 200 + 1);
        format!(
            "vrrp_instance I{i} {{\n interface eth{link}\n virtual_router_id {id}\n virtual_ipaddress {{\n 10.0.{link}.{id}\n }}\n {hooks}\n}}\n",
        )
    };
    (0..count).map(one).collect()
}

fn board_of(text: &str) -> Board {
    let Loaded { config, report, .. } = config::parse("test", text.as_bytes());
    Board::new(&config.unwrap_or_else(|| panic!("{:?}", report.one_line())))
}

fn board(hooks: &str) -> Board {
    board_of(&instances(1, hooks))
}

fn cause() -> Cause {
    Cause { code: "test".into(), text: "a test".into() }
}

fn event(instance: usize, sequence: u64, to: Told) -> Occasion {
    Occasion::Instance(Event {
        sequence,
        instance: InstanceName::new(format!("I{instance}")).unwrap(),
        from: Told::Init,
        to,
        priority: Priority(100),
        cause: cause(),
        evidence: Evidence::default(),
        at: String::new(),
        monotonic: 0,
    })
}

fn group_event(group: &str, sequence: u64, to: Told) -> Occasion {
    Occasion::Group(GroupEvent {
        sequence,
        group: GroupName::new(group).unwrap(),
        from: Told::Init,
        to,
        cause: cause(),
        at: String::new(),
        monotonic: 0,
    })
}

const ALL: &str = "notify_master /m\n notify_backup /b\n notify_fault /f\n notify_stop /s\n notify /n";

/// Which hook, for which state, after which.
fn next(board: &mut Board) -> Option<(Kind, Told, Told)> {
    poll(board).map(|start| (start.kind, start.occasion.to(), start.previous))
}

#[test]
fn the_states_own_hook_first_then_the_general_one_serially() {
    let mut board = board(ALL);
    assert_eq!(board.offer(event(0, 1, Told::Master)), Some(Offered::Taken));
    assert_eq!(next(&mut board), Some((Kind::Master, Told::Master, Told::Init)));
    assert_eq!(next(&mut board), None, "one at a time");
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Master, Told::Init)));
    assert!(!board.is_idle());
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), None);
    assert!(board.is_idle());
    for (state, kind) in [(Told::Backup, Kind::Backup), (Told::Fault, Kind::Fault), (Told::Stop, Kind::Stop)]
    {
        board.offer(event(0, 2, state));
        assert_eq!(next(&mut board).map(|(kind, ..)| kind), Some(kind));
        board.ended(LaneId(0));
        assert_eq!(next(&mut board).map(|(kind, ..)| kind), Some(Kind::Any));
        board.ended(LaneId(0));
    }
}

#[test]
fn the_newest_state_overtakes_those_that_wait_and_no_older_one_is_told_later() {
    let mut board = board("notify /n");
    board.offer(event(0, 1, Told::Backup));
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Backup, Told::Init)));
    assert_eq!(board.offer(event(0, 2, Told::Master)), Some(Offered::Taken));
    assert_eq!(board.offer(event(0, 3, Told::Fault)), Some(Offered::Overtook(vec![Told::Master])));
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Fault, Told::Backup)));
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), None);
    assert_eq!(board.lane(LaneId(0)).unwrap().superseded(), 1);
}

#[test]
fn back_where_hooks_were_run_for_nothing_is_run() {
    let mut board = board("notify /n");
    board.offer(event(0, 1, Told::Master));
    next(&mut board).unwrap();
    board.offer(event(0, 2, Told::Backup));
    assert_eq!(board.offer(event(0, 3, Told::Master)), Some(Offered::Same(vec![Told::Backup])));
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), None);
    // A snapshot with what is known, after a reconnect.
    assert_eq!(board.offer(event(0, 3, Told::Master)), Some(Offered::Same(vec![])));
    assert_eq!(board.offer(event(0, 0, Told::Init)), Some(Offered::Untold));
    assert_eq!(next(&mut board), None);
}

#[test]
fn an_instance_without_hooks_is_idle_and_an_unknown_one_unknown() {
    let mut board = board("");
    board.offer(event(0, 1, Told::Master));
    assert_eq!(next(&mut board), None);
    assert!(board.is_idle());
    assert_eq!(board.lane(LaneId(0)).unwrap().told(), Some(Told::Master));
    assert_eq!(board.offer(event(7, 1, Told::Master)), None);
}

/// Nobody misses what nothing would have been run for.
#[test]
fn a_state_without_hooks_is_not_told_as_overtaken() {
    let mut board = board("notify_master /m");
    board.offer(event(0, 1, Told::Fault));
    assert_eq!(board.offer(event(0, 2, Told::Master)), Some(Offered::Overtook(vec![])));
    assert_eq!(board.offer(event(0, 3, Told::Backup)), Some(Offered::Overtook(vec![Told::Master])));
    assert_eq!(board.lane(LaneId(0)).unwrap().superseded(), 1);
    assert_eq!(next(&mut board), None);
}

/// As if all that run were young.
fn poll(board: &mut Board) -> Option<Start> {
    board.poll_start(board.running)
}

/// Those that hang have grown old: they keep nobody waiting, up to the bound for all.
#[test]
fn who_has_grown_old_makes_room_up_to_the_bound() {
    let mut board = board_of(&instances(MAX_RUNNING + 1, "notify /n"));
    (0..=MAX_RUNNING).for_each(|i| {
        board.offer(event(i, 1, Told::Backup));
    });
    while poll(&mut board).is_some() {}
    assert_eq!((board.running, board.in_line().count()), (MAX_YOUNG, MAX_RUNNING + 1 - MAX_YOUNG));
    assert_eq!(board.poll_start(MAX_YOUNG - 1).map(|start| start.lane), Some(LaneId(MAX_YOUNG)));
    assert_eq!(board.poll_start(MAX_YOUNG), None);
    while board.poll_start(0).is_some() {}
    assert_eq!((board.running, board.in_line().count()), (MAX_RUNNING, 1));
    board.ended(LaneId(0));
    assert_eq!(board.poll_start(0).map(|start| start.lane), Some(LaneId(MAX_RUNNING)));
    assert_eq!(board.in_line().count(), 0);
}

#[test]
fn instances_run_side_by_side_up_to_the_bound_and_each_gets_its_turn() {
    let count = MAX_YOUNG + 3;
    let mut board = board_of(&instances(count, "notify /n"));
    (0..count).for_each(|i| {
        board.offer(event(i, 1, Told::Backup));
    });
    let first: Vec<LaneId> = std::iter::from_fn(|| poll(&mut board)).map(|start| start.lane).collect();
    assert_eq!(first.len(), MAX_YOUNG);
    // The first lane has news again, but those that haven't had a turn come first.
    board.offer(event(0, 2, Told::Master));
    for i in 0..4 {
        board.ended(LaneId(i));
    }
    let second: Vec<usize> = std::iter::from_fn(|| poll(&mut board)).map(|start| start.lane.0).collect();
    assert_eq!(second, [MAX_YOUNG, MAX_YOUNG + 1, MAX_YOUNG + 2, 0]);
}

fn sequence_and_state(occasion: &Occasion) -> (u64, Told) {
    (occasion.sequence(), occasion.to())
}

/// A group is told apart from a member of the same name, and neither waits for the other.
#[test]
fn a_group_has_a_lane_of_its_own() {
    let text = instances(2, "notify /n")
        + "vrrp_sync_group I0 {\n group {\n I0 I1\n }\n notify_master /m\n notify_backup /b\n}\n";
    let mut board = board_of(&text);
    assert_eq!(board.offer(event(0, 1, Told::Master)), Some(Offered::Taken));
    assert_eq!(board.offer(group_event("I0", 2, Told::Master)), Some(Offered::Taken));
    let begun: Vec<Start> = std::iter::from_fn(|| poll(&mut board)).collect();
    let begun: Vec<(LaneId, Kind)> = begun.iter().map(|start| (start.lane, start.kind)).collect();
    assert_eq!(begun, [(LaneId(0), Kind::Any), (LaneId(2), Kind::Master)]);
    let names: Vec<String> = board.lanes().map(|(_, lane)| lane.subject().to_string()).collect();
    assert_eq!(names, ["I0", "I1", "group I0"]);
    // The same rules: overtaken states are told to nobody, and nothing is told twice.
    assert_eq!(board.offer(group_event("I0", 3, Told::Backup)), Some(Offered::Taken));
    assert_eq!(board.offer(group_event("I0", 4, Told::Master)), Some(Offered::Same(vec![Told::Backup])));
    assert_eq!(board.offer(group_event("I1", 5, Told::Master)), None);
}

/// A changed configuration runs no hook by itself, knows whoever was renamed, and lets the last hook of who is gone run.
#[test]
fn another_configuration_runs_nothing_and_forgets_nobody() {
    let mut board = board_of(&instances(2, "notify /n"));
    board.offer(event(0, 1, Told::Master));
    board.offer(event(1, 2, Told::Master));
    while let Some(start) = poll(&mut board) {
        board.ended(start.lane);
    }
    board.offer(event(1, 3, Told::Stop));
    let config = |text: String| config::parse("test", text).config.expect("valid");
    let renamed = config(instances(1, "notify_backup /b").replace("I0", "I7"));
    let subject = |name: &str| Subject::Instance(InstanceName::new(name).unwrap());
    board.reconfigure(&renamed, &HashMap::from([(subject("I0"), subject("I7"))]));
    // I1 is no more; what was offered of it before is told as it was configured, and then its lane ends.
    let removed = |board: &Board| board.removed().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(removed(&board), [LaneId(1)], "for the status, as long as it waits");
    let last = poll(&mut board).expect("its last hook");
    assert_eq!(removed(&board), [LaneId(1)], "and runs");
    assert_eq!((last.lane, last.kind, last.occasion.to()), (LaneId(1), Kind::Any, Told::Stop));
    board.ended(last.lane);
    assert_eq!((next(&mut board), board.lane(LaneId(1)).is_none()), (None, true));
    assert_eq!(removed(&board), []);
    assert_eq!(board.offer(event(0, 4, Told::Master)), None, "nobody has that name any more");
    assert_eq!(
        board.offer(event(7, 5, Told::Master)),
        Some(Offered::Same(vec![])),
        "told by its name before"
    );
    board.offer(event(7, 6, Told::Backup));
    assert_eq!(next(&mut board), Some((Kind::Backup, Told::Backup, Told::Master)), "the new hook");
    // Who comes back begins anew.
    board.reconfigure(&config(instances(2, "notify /n")), &HashMap::new());
    assert_eq!(board.offer(event(1, 7, Told::Stop)), Some(Offered::Taken));
}

/// Every state in order, the same one not twice in a row, and of more than may wait the oldest go.
#[test]
fn with_a_queue_for_all_every_state_is_told_up_to_the_bound() {
    let mut board = board("notify /n \n notify_queue all \n notify_queue_limit 3");
    let mut sequence = 0;
    let mut offer = |board: &mut Board, state| {
        sequence += 1;
        board.offer(event(0, sequence, state)).unwrap()
    };
    assert_eq!(offer(&mut board, Told::Backup), Offered::Taken);
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Backup, Told::Init)));
    for state in [Told::Master, Told::Backup, Told::Master] {
        assert_eq!(offer(&mut board, state), Offered::Taken);
    }
    assert_eq!(offer(&mut board, Told::Master), Offered::Same(vec![]), "a snapshot after a reconnect");
    assert_eq!(board.lane(LaneId(0)).unwrap().queued(), 3);
    // What comes first then is what hooks run for now: nothing is to be run for that either.
    assert_eq!(offer(&mut board, Told::Fault), Offered::Crowded(vec![Told::Master, Told::Backup]));
    assert_eq!(board.lane(LaneId(0)).unwrap().superseded(), 2);
    for expected in [(Told::Master, Told::Backup), (Told::Fault, Told::Master)] {
        board.ended(LaneId(0));
        assert_eq!(next(&mut board), Some((Kind::Any, expected.0, expected.1)));
    }
    board.ended(LaneId(0));
    assert_eq!((next(&mut board), board.is_idle(), board.waiting), (None, true, 0));
}

#[test]
fn when_there_is_no_time_left_only_the_newest_waits() {
    let mut board = board("notify /n \n notify_queue all");
    for (sequence, state) in (0..).zip([Told::Backup, Told::Master, Told::Fault, Told::Backup, Told::Stop]) {
        board.offer(event(0, sequence, state));
        next(&mut board);
    }
    let gone: Vec<Told> = board.hurry().into_iter().map(|(_, state)| state).collect();
    assert_eq!(gone, [Told::Master, Told::Fault, Told::Backup]);
    assert_eq!(board.held_up().count(), 1);
    assert_eq!(board.offer(event(0, 9, Told::Fault)), Some(Offered::Overtook(vec![Told::Stop])));
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Fault, Told::Backup)));
}

/// However many lanes there are, what waits in all of them is bounded, and the newest of each waits all the same.
#[test]
fn all_queues_together_are_bounded() {
    let mut board = board_of(&instances(60, "notify /n \n notify_queue all \n notify_queue_limit 1000"));
    for sequence in 0..1000 {
        for instance in 0..60 {
            let state = if sequence % 2 == 0 { Told::Backup } else { Told::Master };
            board.offer(event(instance, sequence, state));
        }
    }
    assert!(board.waiting <= MAX_WAITING + 60, "{}", board.waiting);
    assert_eq!(board.waiting, board.lanes.values().map(|lane| lane.waiting.len()).sum::<usize>());
    assert!(board.lanes.values().all(|lane| lane.waiting() == Some(Told::Master)));
}

fn any_state() -> impl Strategy<Value = Told> {
    prop::sample::select(vec![Told::Init, Told::Backup, Told::Master, Told::Fault, Told::Stop])
}

proptest! {
    /// Whatever comes in, however slow hooks are and whatever waits: order is kept, no state twice in a row, the last
    /// state is told.
    #[test]
    fn what_is_told_last_is_what_is_so(
        steps in prop::collection::vec(prop::option::of(any_state()), 1..80),
        queue in prop::sample::select(vec!["coalesce", "all", "all \n notify_queue_limit 2"]),
    ) {
        let mut board = board(&format!("notify /n \n notify_queue {queue}"));
        let (mut sequence, mut last, mut told) = (0, None, Vec::new());
        for step in steps {
            match step {
                Some(state) => {
                    sequence += 1;
                    board.offer(event(0, sequence, state));
                    last = if state == Told::Init { last } else { Some(state) };
                }
                None => board.ended(LaneId(0)),
            }
            told.extend(poll(&mut board).map(|start| sequence_and_state(&start.occasion)));
        }
        while !board.is_idle() {
            board.ended(LaneId(0));
            told.extend(poll(&mut board).map(|start| sequence_and_state(&start.occasion)));
        }
        prop_assert!(board.is_idle());
        prop_assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1), "{told:?}");
        prop_assert_eq!(told.last().map(|(_, state)| *state), last);
    }
}

fn lower(sequence: u64) -> Occasion {
    Occasion::LowerMaster(Notice {
        sequence,
        instance: InstanceName::new("I0").unwrap(),
        state: Told::Master,
        priority: Priority(100),
        cause: cause(),
        evidence: Evidence::default(),
        at: String::new(),
        monotonic: 0,
    })
}

/// Whoever cleans up after MASTER has to learn of it in the run that does the work, too.
#[test]
fn what_is_told_once_more_follows_on_what_it_followed_on_before() {
    let cut_off = Mark::Begun { state: Told::Fault, after: Some(Told::Master) };
    let restored = |mark: Mark| {
        let mut board = board("notify /n");
        board.restore(|_| Some(mark));
        board
    };
    let mut same = restored(cut_off);
    same.offer(event(0, 1, Told::Fault));
    assert_eq!(next(&mut same), Some((Kind::Any, Told::Fault, Told::Master)));
    assert_eq!(
        same.poll_mark().map(|(_, mark)| mark),
        Some(cut_off),
        "and so it does if that is cut off, too"
    );
    same.ended(LaneId(0));
    same.offer(event(0, 2, Told::Backup));
    assert_eq!(next(&mut same), Some((Kind::Any, Told::Backup, Told::Fault)));
    let mut other = restored(cut_off);
    other.offer(event(0, 1, Told::Backup));
    assert_eq!(next(&mut other), Some((Kind::Any, Told::Backup, Told::Fault)), "half of FAULT may have run");
}

#[test]
fn a_lower_master_comes_after_all_states_once_and_marks_nothing() {
    let mut board = board("notify_master_rx_lower_pri /l\n notify /n");
    board.offer(event(0, 1, Told::Master));
    assert_eq!(next(&mut board), Some((Kind::Any, Told::Master, Told::Init)));
    while board.poll_mark().is_some() {}
    board.offer(lower(2));
    board.offer(lower(3));
    assert_eq!(next(&mut board), None, "one at a time");
    assert!(!board.is_idle());
    board.ended(LaneId(0));
    assert_eq!(board.poll_mark().map(|(_, mark)| mark), Some(Mark::Told(Told::Master)));
    let start = poll(&mut board).unwrap();
    assert_eq!(
        (start.kind, start.occasion),
        (Kind::LowerMaster, lower(3)),
        "the last one, and no general hook"
    );
    board.offer(lower(4));
    board.offer(event(0, 5, Told::Backup));
    board.ended(LaneId(0));
    assert_eq!(board.poll_mark(), None);
    assert_eq!(
        next(&mut board),
        Some((Kind::Any, Told::Backup, Told::Master)),
        "what was heard as MASTER is over"
    );
    board.ended(LaneId(0));
    assert_eq!(next(&mut board), None);
    assert!(board.is_idle());
}

#[test]
fn who_has_no_hook_for_it_is_not_busy_with_it() {
    let mut board = board("notify /n");
    board.offer(lower(1));
    assert!(board.is_idle());
    assert_eq!(next(&mut board), None);
}

#[test]
fn a_removal_is_deleted_only_for_who_says_so() {
    let removed = |code: &str| {
        let Occasion::Instance(mut event) = event(0, 1, Told::Stop) else { unreachable!() };
        event.cause.code = code.into();
        Occasion::Instance(event)
    };
    let kinds = |hooks: &str, code: &str| {
        let mut board = board(hooks);
        let occasion = board.phrase(removed(code));
        let [.., word, _] = occasion.arguments();
        board.offer(occasion);
        (word, next(&mut board).map(|(kind, ..)| kind))
    };
    let hooks = "notify_stop /s\n notify_deleted /d";
    assert_eq!(kinds(hooks, "removed"), ("DELETED".to_owned(), Some(Kind::Deleted)));
    assert_eq!(kinds(hooks, "shutdown"), ("STOP".to_owned(), Some(Kind::Stop)));
    assert_eq!(kinds("notify_stop /s\n notify_deleted", "removed"), ("DELETED".to_owned(), None));
    assert_eq!(kinds("notify_stop /s", "removed"), ("STOP".to_owned(), Some(Kind::Stop)));
}
