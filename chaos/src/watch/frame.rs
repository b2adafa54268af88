//! A picture as it is drawn in a terminal. Pure.

use std::collections::VecDeque;

use inventory_api::NodeState;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Cell, Paragraph, Row, Sparkline, Table, Widget},
};
use time::{OffsetDateTime, macros::format_description};

use super::{
    metrics::whole,
    picture::{FaultNow, Node, Picture, Presence, Served, Service},
};

/// Looks that the curve of checkouts shows: two minutes.
const KEPT_LOOKS: usize = 120;

/// Lines of a block's border.
const BORDER: u16 = 2;

/// Faults that are shown one by one; the rest is a number.
const SHOWN_FAULTS: usize = 8;

/// What is drawn: the newest picture, and how checkouts went before it.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    picture: Option<Picture>,
    accepted: VecDeque<u64>,
}

impl Screen {
    pub fn show(&mut self, picture: Picture) {
        if self.accepted.len() == KEPT_LOOKS {
            self.accepted.pop_front();
        }
        // Tenths, so that a slow shop has a curve too.
        self.accepted.push_back(whole(picture.shop.accepted_per_s.unwrap_or_default() * 10.0));
        self.picture = Some(picture);
    }

    /// Lines that all of it takes.
    pub fn height(&self) -> u16 {
        let Some(picture) = &self.picture else { return 1 };
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX / 8);
        let faults = rows(fault_lines(&picture.faults).len() + picture.complaints.len());
        // The head, then blocks: nodes and services with a heading each, checkouts, faults.
        1 + (BORDER + 1 + rows(picture.nodes.len()))
            + (BORDER + 1 + rows(picture.services.len()))
            + (BORDER + 3)
            + (BORDER + faults)
    }
}

impl Widget for &Screen {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let Some(picture) = &self.picture else {
            return Paragraph::new("looking ...").render(area, buffer);
        };
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX / 8);
        let complaints = picture.complaints.iter().map(|text| Line::styled(text.clone(), warning()));
        let faults: Vec<Line<'_>> = fault_lines(&picture.faults).into_iter().chain(complaints).collect();
        let [head, nodes, services, shop, broken] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(BORDER + 1 + rows(picture.nodes.len())),
            Constraint::Length(BORDER + 1 + rows(picture.services.len())),
            Constraint::Length(BORDER + 3),
            Constraint::Length(BORDER + rows(faults.len())),
        ])
        .areas(area);
        heading(picture).render(head, buffer);
        node_table(picture).render(nodes, buffer);
        service_table(&picture.services).render(services, buffer);
        self.checkouts(picture, shop, buffer);
        Paragraph::new(faults).block(Block::bordered().title(" faults ")).render(broken, buffer);
    }
}

impl Screen {
    fn checkouts(&self, picture: &Picture, area: Rect, buffer: &mut Buffer) {
        let block = Block::bordered().title(" checkouts ");
        let inner = block.inner(area);
        block.render(area, buffer);
        let shop = &picture.shop;
        let failed = shop.failed_per_s.unwrap_or_default() > 0.0;
        let words = Line::from(vec![
            Span::raw(format!("accepted {}/s   refused {}/s   ", rate(shop.accepted_per_s), rate(shop.refused_per_s))),
            Span::styled(format!("failed {}/s", rate(shop.failed_per_s)), if failed { alarm() } else { Style::new() }),
            Span::raw(format!("   p50 {}   p99 {}", late(shop.p50_ms), late(shop.p99_ms))),
        ]);
        let [text, curve] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(inner);
        words.render(text, buffer);
        let wide = usize::from(curve.width).min(self.accepted.len());
        let newest: Vec<u64> = self.accepted.iter().skip(self.accepted.len() - wide).copied().collect();
        Sparkline::default().data(&newest).style(Style::new().fg(Color::Green)).render(curve, buffer);
    }
}

fn alarm() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

fn warning() -> Style {
    Style::new().fg(Color::Yellow)
}

fn heading(picture: &Picture) -> Line<'_> {
    let clock = i128::from(picture.at_ms) * 1_000_000;
    let clock = OffsetDateTime::from_unix_timestamp_nanos(clock).ok();
    let clock = clock.and_then(|at| at.format(format_description!("[hour]:[minute]:[second] UTC")).ok()).unwrap_or_default();
    let leader = match (&picture.leader, picture.term) {
        (Some(leader), Some(term)) => Span::raw(format!("{leader} leads in term {term}")),
        (None, Some(term)) => Span::styled(format!("NOBODY LEADS, term {term}"), alarm()),
        _ => Span::styled("THE INVENTORY DOES NOT ANSWER", alarm()),
    };
    let name = Span::styled(picture.topology.clone(), Style::new().add_modifier(Modifier::BOLD));
    Line::from(vec![name, Span::raw("  "), leader, Span::raw(format!("  {clock}"))])
}

fn presence(of: Presence) -> Cell<'static> {
    match of {
        Presence::Up => Cell::from("up"),
        Presence::NotReady => Cell::from("not ready").style(warning()),
        Presence::Silent => Cell::from("SILENT").style(alarm()),
        Presence::Down => Cell::from("DOWN").style(alarm()),
    }
}

fn rate(of: Option<f64>) -> String {
    match of {
        None => "-".to_owned(),
        Some(rate) if rate < 100.0 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

fn late(of: Option<f64>) -> String {
    match of {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
    }
}

fn served_cells(served: Option<&Served>) -> [Cell<'static>; 3] {
    let Some(served) = served else { return ["-", "-", "-"].map(Cell::from) };
    let errors = Cell::from(rate(Some(served.errors_per_s)));
    let errors = if served.errors_per_s > 0.0 { errors.style(alarm()) } else { errors };
    [Cell::from(rate(Some(served.requests_per_s))), errors, Cell::from(late(served.p99_ms))]
}

fn table<'a>(title: &'a str, heads: Vec<&'a str>, rows: Vec<Row<'a>>, widths: Vec<Constraint>) -> Table<'a> {
    let heads = Row::new(heads).style(Style::new().add_modifier(Modifier::DIM));
    Table::new(rows, widths).header(heads).column_spacing(2).block(Block::bordered().title(title))
}

const NAME: Constraint = Constraint::Length(18);
const REGION: Constraint = Constraint::Length(10);
const PRESENCE: Constraint = Constraint::Length(9);
const NUMBER: Constraint = Constraint::Length(9);

fn node_row<'a>(node: &'a Node, picture: &Picture) -> Row<'a> {
    let role = match node.state {
        Some(NodeState::Leader) => "leader",
        Some(NodeState::Follower) => "follower",
        Some(NodeState::Candidate) => "candidate",
        Some(NodeState::Learner) => "learner",
        Some(NodeState::Shutdown) => "stopping",
        None => "-",
    };
    // One that was cut off may take itself for the leader of a term that is over.
    let is_old = node.term.is_some() && node.term != picture.term;
    let number = |of: Option<u64>| of.map_or_else(|| "-".to_owned(), |of| of.to_string());
    let term = Cell::from(number(node.term));
    let mut cells = vec![
        Cell::from(node.name.as_str()),
        Cell::from(node.region.as_str()),
        presence(node.presence),
        Cell::from(role),
        if is_old { term.style(warning()) } else { term },
        Cell::from(number(node.applied_index)),
        Cell::from(number(node.lag_entries)),
    ];
    cells.extend(served_cells(node.served.as_ref()));
    Row::new(cells)
}

fn node_table(picture: &Picture) -> Table<'_> {
    let heads = vec!["node", "region", "is", "role", "term", "applied", "behind", "req/s", "5xx/s", "p99"];
    let rows = picture.nodes.iter().map(|node| node_row(node, picture)).collect();
    let term = Constraint::Length(6);
    table(" inventory ", heads, rows, vec![NAME, REGION, PRESENCE, NUMBER, term, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER])
}

fn service_table(services: &[Service]) -> Table<'_> {
    let row = |service| {
        let Service { name, region, presence: is, served, .. }: &Service = service;
        let mut cells = vec![Cell::from(name.as_str()), Cell::from(region.as_str()), presence(*is)];
        cells.extend(served_cells(served.as_ref()));
        Row::new(cells)
    };
    let heads = vec!["service", "region", "is", "req/s", "5xx/s", "p99"];
    table(" services ", heads, services.iter().map(row).collect(), vec![NAME, REGION, PRESENCE, NUMBER, NUMBER, NUMBER])
}

fn fault_lines(faults: &[FaultNow]) -> Vec<Line<'static>> {
    if faults.is_empty() {
        return vec![Line::raw("none")];
    }
    let line = |fault: &FaultNow| {
        let at =
            if fault.at.len() > 3 { format!("{} and {} more", fault.at[0], fault.at.len() - 1) } else { fault.at.join(", ") };
        let heals = fault.left_ms.div_ceil(1_000);
        Line::styled(format!("{}  {}  at {at}  heals in {heals} s unless renewed", fault.id, fault.what), alarm())
    };
    let mut lines: Vec<Line<'static>> = faults.iter().take(SHOWN_FAULTS).map(line).collect();
    if let Some(more) = faults.len().checked_sub(SHOWN_FAULTS).filter(|more| *more > 0) {
        lines.push(Line::styled(format!("and {more} more"), alarm()));
    }
    lines
}

/// The screen as text without colours, for a pipe.
pub fn plain(screen: &Screen, width: u16) -> String {
    let area = Rect::new(0, 0, width, screen.height());
    let mut buffer = Buffer::empty(area);
    screen.render(area, &mut buffer);
    let mut text = String::new();
    for y in 0..area.height {
        let line: String = (0..area.width).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
