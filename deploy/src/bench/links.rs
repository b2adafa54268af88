//! `links`: what it costs that every connection between processes is led through the fault proxy, which does nothing to it.
//!
//! Two topologies of one store stand side by side, one with links. Rounds of whole checkouts alternate between them, so that what else the machine
//! does weighs on both. The proxy shares the machine with everything, so its processor time is in the figure too.

use std::{rc::Rc, time::Duration};

use deploy_api::ProcessKind;

use super::{
    Bench,
    checkout::{AT_ONCE, SESSIONS, shoppers::Shoppers},
    drive::{Round, round},
    figures::Figure,
    purchases::receive_skus,
    stand::Stand,
    table::Measured,
};
use crate::{build::Programs, topology::Spec};

const NAME: &str = "links/checkouts";

/// Of the throughput without links, in percent.
const MOST_LOST: f64 = 5.0;

/// Sessions of one round's shoppers, and some more.
const IDLE_SESSIONS: usize = SESSIONS / 4;

async fn shoppers(of: &Stand) -> anyhow::Result<Rc<Shoppers>> {
    let topology = of.supervisor.topology();
    let shoppers = Rc::new(Shoppers::make(&topology.http_of(ProcessKind::Edge).swap_remove(0), IDLE_SESSIONS).await?);
    receive_skus(&topology.http_of(ProcessKind::Inventory), shoppers.skus()).await?;
    Ok(shoppers)
}

pub(super) fn run(programs: &Programs, runtime: &tokio::runtime::Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let spec = Spec::one_store()?.in_plaintext();
    let direct = Stand::start("direct", &spec, programs)?;
    let linked = Stand::start("links", &spec.with_links(), programs)?;
    runtime.block_on(async {
        let shops = [shoppers(&direct).await?, shoppers(&linked).await?];
        let mut rounds: [Vec<Round>; 2] = Default::default();
        for nth in 0..bench.args.rounds {
            bench.progress.set_message(format!("{NAME}, round {} of {}", nth + 1, bench.args.rounds));
            // Each begins as often as the other.
            for at in if nth % 2 == 0 { [0, 1] } else { [1, 0] } {
                let buyers = (0..AT_ONCE).map(|_| {
                    let shoppers = shops[at].clone();
                    async move || shoppers.buy().await.ok().map(|_| 1)
                });
                rounds[at].push(round(buyers.collect(), Duration::from_secs(bench.args.seconds)).await?);
            }
        }
        let [direct, linked] = &rounds;
        let lost = lost_percent(direct, linked);
        bench.measured.push(Measured::of(NAME, "direct", direct)?);
        bench.measured.push(Measured::of(NAME, "links", linked)?);
        bench
            .figures
            .push(Figure::new(NAME, "throughput lost to idle links, median of the rounds", lost, "%").at_most(MOST_LOST));
        Ok(())
    })
}

/// The median over pairs of rounds, which were run one after the other.
fn lost_percent(direct: &[Round], linked: &[Round]) -> f64 {
    let lost = |(direct, linked): (&Round, &Round)| 100.0 * (1.0 - linked.ops_per_s / direct.ops_per_s.max(f64::MIN_POSITIVE));
    let mut lost: Vec<f64> = direct.iter().zip(linked).map(lost).collect();
    lost.sort_by(f64::total_cmp);
    lost.get(lost.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_pair_tells_what_is_lost() {
        let rounds = |speeds: [f64; 3]| speeds.map(|ops_per_s| Round { ops_per_s, p50_us: 1, p99_us: 1, errors: 0 });
        let lost = lost_percent(&rounds([100.0, 50.0, 200.0]), &rounds([90.0, 48.0, 20.0]));
        assert!((lost - 10.0).abs() < 1e-9, "{lost}");
    }
}
