//! `chaos watch`

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chaos::watch::{Collector, PERIOD, Picture, Reading, Screen, plain};
use clap::Args;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Output, Where};

/// Columns of a frame that goes into a pipe.
const PIPE_WIDTH: u16 = 120;

/// Between two looks whether somebody pressed a key.
const KEY_PAUSE: Duration = Duration::from_millis(100);

/// Keys that may wait to be handled; each is handled at once.
const KEYS_WAITING: usize = 16;

#[derive(Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    at: Where,
    /// `json`: one line a second
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Look twice, for the rates, tell once, and end
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let looks = Looks { collector: Collector::open(&args.at.file())?, before: None };
    if args.once {
        return once(looks, args.output).await;
    }
    // Who watches from a pipe gets text; who watches from a terminal, a screen.
    match args.output == Output::Table && io::stdout().is_terminal() {
        true => on_screen(looks).await?,
        false => lines(looks, args.output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks, each with the one before it.
struct Looks {
    collector: Collector,
    before: Option<Reading>,
}

impl Looks {
    async fn next(&mut self) -> Picture {
        let now = self.collector.look().await;
        let picture = Picture::of(self.before.as_ref(), &now);
        self.before = Some(now);
        picture
    }
}

async fn once(mut looks: Looks, output: Output) -> anyhow::Result<ExitCode> {
    looks.next().await;
    tokio::time::sleep(PERIOD).await;
    let picture = looks.next().await;
    let is_ailing = picture.is_ailing();
    tell(&mut Screen::default(), picture, output)?;
    Ok(if is_ailing { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// Whether somebody still reads.
fn tell(screen: &mut Screen, picture: Picture, output: Output) -> anyhow::Result<bool> {
    let text = match output {
        Output::Json => serde_json::to_string(&picture)? + "\n",
        Output::Table => {
            screen.show(picture);
            plain(screen, PIPE_WIDTH)
        }
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn lines(mut looks: Looks, output: Output) -> anyhow::Result<()> {
    let (mut turns, mut screen) = (interval(PERIOD), Screen::default());
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = Stop::new()?;
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = stop.wanted() => return Ok(()),
        }
        let picture = looks.next().await;
        if !tell(&mut screen, picture, output)? {
            return Ok(());
        }
    }
}

/// The terminal in raw mode and on its other screen. It is as it was when this is dropped, and when the program panics.
struct Raw(DefaultTerminal);

impl Drop for Raw {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn on_screen(mut looks: Looks) -> anyhow::Result<()> {
    // Restores the terminal before a panic is told, too.
    let mut terminal = Raw(ratatui::try_init()?);
    let (mut keys, mut stop) = (Keys::listen(), Stop::new()?);
    let (mut turns, mut screen) = (interval(PERIOD), Screen::default());
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        terminal.0.draw(|frame| frame.render_widget(&screen, frame.area()))?;
        tokio::select! {
            _ = turns.tick() => {}
            () = stop.wanted() => return Ok(()),
            pressed = keys.pressed.recv() => match pressed {
                Some(Pressed::Quit) | None => return Ok(()),
                Some(Pressed::Resized) => continue,
            },
        }
        // A key is heard also while processes are asked.
        tokio::select! {
            picture = looks.next() => screen.show(picture),
            () = stop.wanted() => return Ok(()),
            Some(Pressed::Quit) = keys.pressed.recv() => return Ok(()),
        }
    }
}

struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

enum Pressed {
    Quit,
    Resized,
}

/// Keys are read in a thread, because reading blocks. It ends with this.
struct Keys {
    pressed: mpsc::Receiver<Pressed>,
    is_over: Arc<AtomicBool>,
}

impl Keys {
    fn listen() -> Self {
        let (tell, pressed) = mpsc::channel(KEYS_WAITING);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let heard = match event::poll(KEY_PAUSE) {
                    Ok(true) => event::read(),
                    Ok(false) => continue,
                    Err(error) => Err(error),
                };
                let told = match heard {
                    Ok(Event::Key(key)) => {
                        let ends = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                            || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                        if ends { tell.blocking_send(Pressed::Quit) } else { Ok(()) }
                    }
                    Ok(Event::Resize(..)) => tell.blocking_send(Pressed::Resized),
                    Ok(_) => Ok(()),
                    Err(_) => return,
                };
                if told.is_err() {
                    return;
                }
            }
        });
        Self { pressed, is_over }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
