//! Whether a process can work with what runs beside it. Pure.

use deploy_api::ProcessKind;

/// `running` and `all`: kinds of the processes that run, the one in question too, and of all of the topology.
pub(crate) fn can_work(kind: ProcessKind, running: &[ProcessKind], all: &[ProcessKind]) -> bool {
    let count = |of: &[ProcessKind], kind| of.iter().filter(|one| **one == kind).count();
    let majority = |kind| 2 * count(running, kind) > count(all, kind);
    let has = |kind| count(running, kind) > 0 || count(all, kind) == 0;
    // What etcd agreed on is all that Patroni goes by.
    let postgres = has(ProcessKind::Postgres) && (count(all, ProcessKind::Etcd) == 0 || majority(ProcessKind::Etcd));
    match kind {
        ProcessKind::Inventory | ProcessKind::Etcd => majority(kind),
        ProcessKind::Postgres | ProcessKind::Haproxy | ProcessKind::Orders => postgres,
        ProcessKind::Catalog => postgres && majority(ProcessKind::Inventory),
        ProcessKind::Edge => has(ProcessKind::Catalog),
        ProcessKind::Redis | ProcessKind::Payments | ProcessKind::Links | ProcessKind::Drills => true,
    }
}

#[cfg(test)]
mod tests {
    use ProcessKind::{Etcd, Haproxy, Inventory, Orders, Postgres, Redis};

    use super::*;

    #[test]
    fn a_majority_works_and_a_database_needs_its_etcd() {
        let all = [Inventory, Inventory, Inventory, Postgres, Postgres, Etcd, Etcd, Etcd, Haproxy, Orders, Redis];
        let cases: [(ProcessKind, &[ProcessKind], bool); 8] = [
            (Inventory, &[Inventory], false),
            (Inventory, &[Inventory, Inventory], true),
            (Etcd, &[Etcd, Inventory, Inventory], false),
            (Orders, &[Orders, Inventory], false),
            (Orders, &[Orders, Postgres, Etcd], false),
            (Orders, &[Orders, Postgres, Etcd, Etcd], true),
            (Haproxy, &[Haproxy, Etcd, Etcd], false),
            (Redis, &[Redis], true),
        ];
        for (kind, running, works) in cases {
            assert_eq!(can_work(kind, running, &all), works, "{kind:?} beside {running:?}");
        }
        let plain = [Inventory, Postgres, Orders];
        assert!(can_work(Orders, &[Orders, Postgres], &plain) && !can_work(Orders, &[Orders], &plain));
    }
}
