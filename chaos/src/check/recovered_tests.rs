//! Windows without an answer, and clocks of faults.

use super::*;

fn shop(times_ms: impl IntoIterator<Item = u64>) -> Vec<ShopLine> {
    let checkout = |ms: u64| {
        let at = ms * 1_000_000;
        Checkout { order: Some(uuid::Uuid::nil()), ..Checkout::example(&format!("k{ms}"), (at, Some(at)), Out::Ok) }
    };
    times_ms.into_iter().map(checkout).map(ShopLine::Checkout).collect()
}

fn seen<'a>(shop: &'a [ShopLine], faults: &'a [Fault], reigns: &'a [Reign]) -> Seen<'a> {
    Seen { shop, samples: &[], faults, reigns, replicas: &[], steady_ms: None, given_up: false }
}

fn run(shop: &[ShopLine], expected: InTime) -> (Verdict, Recovery) {
    let faults =
        [Fault { name: "kill".to_owned(), target: "a".to_owned(), from_ms: 2_000, to_ms: Some(6_000), ..Fault::default() }];
    let reign = |at_ms, term, leader: Option<&str>| Reign { at_ms, term, leader: leader.map(str::to_owned) };
    let reigns = [reign(0, 3, Some("a")), reign(2_100, 3, None), reign(2_700, 4, Some("b"))];
    recovered(&seen(shop, &faults, &reigns), expected)
}

#[test]
fn the_clock_of_a_fault_runs_from_it_to_the_next_answer() {
    let shop = shop((0..2_000).step_by(100).chain((2_900..8_000).step_by(100)));
    let (verdict, recovery) = run(&shop, InTime { rto_ms: Some(1_000), max_unavailable_ms: Some(1_000) });
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    let found = &recovery.faults[0];
    assert_eq!((found.detected_ms, found.elected_ms, found.rto_ms), (Some(100), Some(700), Some(900)));
    assert_eq!((recovery.windows[0].from_ms, recovery.windows[0].length_ms()), (1_900, 1_000));
    let (verdict, _) = run(&shop, InTime { rto_ms: Some(899), max_unavailable_ms: Some(999) });
    let told: Vec<&str> = verdict.violations.iter().map(|violation| violation.what.as_str()).collect();
    assert!(told[0].contains("eu: no checkout was answered for 1000 ms (1900..2900 ms)"), "{told:?}");
    assert!(told[1].contains("kill a: checkouts were again after 900 ms"), "{told:?}");
}

#[test]
fn a_region_whose_own_edges_are_broken_is_not_the_one_to_be_measured() {
    let shop = shop((0..2_000).step_by(100).chain((7_000..8_000).step_by(100)));
    let fault =
        |without: &str| Fault { from_ms: 2_000, to_ms: Some(6_000), without: vec![without.to_owned()], ..Fault::default() };
    let longest = |faults: &[Fault]| recovered(&seen(&shop, faults, &[]), InTime::default()).1.windows[0].length_ms();
    assert_eq!((longest(&[fault("eu")]), longest(&[fault("us")])), (100, 5_100));
}

#[test]
fn what_never_stopped_took_no_time_and_what_never_came_back_has_none() {
    let steady = shop((0..8_000).step_by(100));
    assert_eq!(run(&steady, InTime::default()).1.faults[0].rto_ms, Some(0));
    let dead = shop((0..2_000).step_by(100));
    let (verdict, recovery) = run(&dead, InTime { rto_ms: Some(60_000), max_unavailable_ms: None });
    assert_eq!((verdict.outcome, recovery.faults[0].rto_ms), (Outcome::Fail, None));
    assert_eq!(run(&[], InTime::default()).0.outcome, Outcome::Skipped);
}

#[test]
fn what_a_region_waited_before_and_after_its_own_edges_were_broken_counts() {
    // Served again 9 s after the heal; five of those are the edges' own.
    let shop = shop((0..1_000).step_by(100).chain((15_000..20_000).step_by(100)));
    let own = |from_ms, to_ms| Fault { from_ms, to_ms, without: vec!["eu".to_owned()], ..Fault::default() };
    let longest = |faults: &[Fault]| {
        let windows = recovered(&seen(&shop, faults, &[]), InTime::default()).1.windows;
        windows.iter().map(|window| (window.from_ms, window.to_ms)).collect::<Vec<_>>()
    };
    assert_eq!(longest(&[own(2_000, Some(6_000))]), [(11_000, 15_000)]);
    assert_eq!(longest(&[own(8_000, Some(9_000))]), [(900, 8_000)]);
    assert_eq!(longest(&[own(4_000, Some(5_000)), own(2_000, Some(6_500))]), [(11_500, 15_000)]);
    assert_eq!(longest(&[own(0, None)]), []);
}

#[test]
fn what_was_slow_while_it_warmed_up_is_no_measure() {
    // Two seconds without an answer while clients came; afterwards one each 100 ms, and 1.5 s without after the fault at 6 s.
    let shop = shop([0].into_iter().chain((2_000..6_000).step_by(100)).chain((7_500..12_000).step_by(100)));
    let faults = [Fault { from_ms: 6_000, to_ms: Some(8_000), ..Fault::default() }];
    let found = |steady_ms| recovered(&Seen { steady_ms, ..seen(&shop, &faults, &[]) }, InTime::default()).1;
    assert_eq!((found(None).faults[0].rto_ms, found(None).windows[0].length_ms()), (Some(0), 2_000));
    let steady = found(Some(3_000));
    assert_eq!((steady.faults[0].rto_ms, steady.windows[0].length_ms()), (Some(1_500), 1_600));
}

#[test]
fn the_speed_of_before_is_that_of_the_steady_time() {
    let sample = |second, p99_us| Sample { second, kind: "checkout".to_owned(), ok: 1, p99_us, ..Sample::default() };
    let speeds = [900, 900, 900, 900, 10, 10, 500, 300, 11];
    let samples: Vec<Sample> = (0..).zip(speeds).map(|(second, ms)| sample(second, ms * 1_000)).collect();
    let faults = [Fault { from_ms: 6_000, to_ms: Some(7_000), ..Fault::default() }];
    let level = |steady_ms| {
        let seen = Seen { samples: &samples, steady_ms, ..seen(&[], &faults, &[]) };
        recovered(&seen, InTime::default()).1.faults[0].level_ms
    };
    assert_eq!((level(None), level(Some(4_000))), (Some(1_000), Some(2_000)));
}

#[test]
fn a_run_that_was_given_up_says_of_recovery_only_what_was_late_already() {
    // The last answer is at 1.9 s, the fault at 2 s, and somebody asked until 2.9 s.
    let mut asked = shop((0..2_000).step_by(100));
    asked.extend(shop([2_900]).into_iter().map(|line| match line {
        ShopLine::Checkout(checkout) => ShopLine::Checkout(Checkout { ret: None, out: Out::Unknown, ..checkout }),
        other => other,
    }));
    let faults = [Fault { from_ms: 2_000, to_ms: Some(3_000), ..Fault::default() }];
    let judged = |given_up, rto_ms| {
        let seen = Seen { given_up, ..seen(&asked, &faults, &[]) };
        recovered(&seen, InTime { rto_ms: Some(rto_ms), max_unavailable_ms: None }).0.outcome
    };
    assert_eq!(judged(true, 900), Outcome::Undecided);
    assert_eq!(judged(true, 899), Outcome::Fail, "it was open for longer than that already");
    assert_eq!(judged(false, 900), Outcome::Fail, "nobody gave it up, and it was never again");
}

#[test]
fn a_leader_that_came_after_the_next_fault_is_not_of_this_one() {
    let fault = |from_ms| Fault { from_ms, to_ms: Some(from_ms + 500), ..Fault::default() };
    let reign = |at_ms, term, leader: Option<&str>| Reign { at_ms, term, leader: leader.map(str::to_owned) };
    let (faults, reigns) =
        ([fault(2_000), fault(4_000)], [reign(0, 3, Some("a")), reign(4_100, 3, None), reign(4_400, 4, Some("b"))]);
    let recovery = recovered(&seen(&shop((0..8_000).step_by(100)), &faults, &reigns), InTime::default()).1;
    let clocks: Vec<_> = recovery.faults.iter().map(|fault| (fault.detected_ms, fault.elected_ms)).collect();
    assert_eq!(clocks, [(None, None), (Some(100), Some(400))]);
}

#[test]
fn shoppers_of_a_lost_region_are_served_when_another_one_serves_them() {
    let from = |home: &str, region: &str, times: Vec<u64>| {
        let mut lines = shop(times);
        for line in &mut lines {
            let ShopLine::Checkout(checkout) = line else { continue };
            (checkout.home, checkout.region) = (home.to_owned(), region.to_owned());
        }
        lines
    };
    let lost = [Fault { from_ms: 2_000, to_ms: Some(6_000), without: vec!["eu".to_owned()], ..Fault::default() }];
    let rto = |again_ms: u64| {
        let mut lines = from("us", "us", (0..8_000).step_by(100).collect());
        lines.extend(from("eu", "eu", (0..2_000).step_by(100).collect()));
        lines.extend(from("eu", "us", (again_ms..8_000).step_by(100).collect()));
        let (verdict, recovery) =
            recovered(&seen(&lines, &lost, &[]), InTime { rto_ms: Some(3_000), max_unavailable_ms: Some(2_000) });
        (verdict.outcome, recovery.faults[0].rto_ms)
    };
    assert_eq!(rto(4_900), (Outcome::Pass, Some(2_900)));
    assert_eq!(rto(5_100), (Outcome::Fail, Some(3_100)));
}

#[test]
fn a_short_pause_long_after_the_fault_is_not_its_end() {
    let pausing = |length: u64| {
        shop((0..2_000).step_by(100).chain((2_400..5_000).step_by(100)).chain((4_900 + length..8_000).step_by(100)))
    };
    let rto = |length| run(&pausing(length), InTime::default()).1.faults[0].rto_ms;
    assert_eq!((rto(700), rto(1_001)), (Some(400), Some(3_901)));
}

#[test]
fn a_trickle_of_answers_is_no_service() {
    // Twenty ask in a second; after the fault one a second is answered, for four seconds.
    let asks = (0..400).map(|nth| nth * 50);
    let is_answered = |ms: u64| !(2_000..6_000).contains(&ms) || ms.is_multiple_of(1_000);
    let mut lines = shop(asks);
    for line in &mut lines {
        let ShopLine::Checkout(checkout) = line else { continue };
        if !is_answered(checkout.call / 1_000_000) {
            (checkout.ret, checkout.out) = (None, Out::Unknown);
        }
    }
    let found = run(&lines, InTime::default()).1.faults[0].rto_ms.unwrap();
    assert!((3_000..=4_000).contains(&found), "{found}");
}

#[test]
fn an_edge_that_answers_nobody_is_seen_though_its_shoppers_are_served_elsewhere() {
    let mut lines = shop((0..8_000).step_by(100));
    for line in &mut lines {
        let ShopLine::Checkout(checkout) = line else { continue };
        checkout.home = "us".to_owned();
    }
    let windows = recovered(&seen(&lines, &[], &[]), InTime::default()).1.windows;
    assert_eq!(
        windows.iter().map(|window| (window.region.as_str(), window.length_ms())).collect::<Vec<_>>(),
        [("eu", 100), ("us", 7_900)]
    );
}

#[test]
fn a_time_without_an_answer_is_of_the_fault_before_it() {
    // The second fault comes while the first is in place, and it is the one that stops checkouts.
    let lines = shop((0..4_000).step_by(100).chain((6_000..9_000).step_by(100)));
    let fault = |from_ms| Fault { from_ms, to_ms: Some(7_000), ..Fault::default() };
    let recovery = recovered(&seen(&lines, &[fault(1_000), fault(3_950)], &[]), InTime::default()).1;
    assert_eq!(recovery.faults.iter().map(|fault| fault.rto_ms).collect::<Vec<_>>(), [Some(0), Some(2_050)]);
}
