//! What is drawn, as text.

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::watch::picture::tests::picture;

fn drawn(screen: &Screen, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(screen, frame.area())).unwrap();
    terminal
}

fn screen() -> Screen {
    let mut screen = Screen::default();
    for accepted in [0.0, 5.0, 10.0, 25.0] {
        let mut picture = picture();
        picture.shop.accepted_per_s = Some(accepted);
        screen.show(picture);
    }
    screen
}

/// `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn a_picture_is_drawn_as_it_was_agreed() {
    let drawn = plain(&screen(), 120);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/watch/frame/golden.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &drawn).unwrap();
    }
    assert_eq!(drawn, std::fs::read_to_string(golden).unwrap(), "\n{drawn}");
}

#[test]
fn what_is_wrong_stands_out() {
    let terminal = drawn(&screen(), 110, screen().height());
    let buffer = terminal.backend().buffer();
    let red: String = buffer.content().iter().filter(|cell| cell.fg == Color::Red).map(|cell| cell.symbol()).collect();
    assert!(red.contains("SILENT") && red.contains("failed 0.5/s") && red.contains("process.pause-1a2b3c4d"), "{red}");
    assert!(!red.contains("up"), "{red}");
}

#[test]
fn any_size_of_a_terminal_is_drawn_in_and_nothing_is_shown_before_the_first_look() {
    for (width, height) in [(1, 1), (20, 3), (79, 24), (300, 100)] {
        drawn(&screen(), width, height);
    }
    assert_eq!(plain(&Screen::default(), 40), "looking ...\n");
}

#[test]
fn nobody_leading_is_said_and_many_faults_are_counted() {
    let mut picture = picture();
    picture.leader = None;
    let fault = picture.faults[0].clone();
    picture.faults = vec![fault; SHOWN_FAULTS + 3];
    picture.complaints = vec!["faults of links are not known".to_owned()];
    let mut screen = Screen::default();
    screen.show(picture);
    let text = plain(&screen, 110);
    assert!(text.contains("NOBODY LEADS, term 4") && text.contains("and 3 more") && text.contains("faults of links"), "{text}");
}

#[test]
fn the_curve_keeps_two_minutes() {
    let mut screen = Screen::default();
    (0..500).for_each(|_| screen.show(picture()));
    assert_eq!(screen.accepted.len(), KEPT_LOOKS);
}
