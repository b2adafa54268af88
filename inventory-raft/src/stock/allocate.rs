//! Finds units for the lines of a reservation, without changing anything.

use std::collections::BTreeMap;

use storefront_types::{LocationId, Sku};

use super::{
    command::Line,
    levels::SkuStock,
    movement::Answer,
    outcome::{Code, OutcomeLine},
    reservation::{Allocated, ReservedLine},
    state::Inventory,
    table::Slot,
};

impl Inventory {
    /// Finds units for every line, merged by SKU in order of first mention, or the refusal that names each line that fails.
    pub(super) fn allocate(&self, lines: &[Line]) -> Result<(Vec<ReservedLine>, Vec<Slot>), Answer> {
        let (mut taken, mut slots) = (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        let mut refused: Vec<(Code, OutcomeLine)> = Vec::new();
        for line in lines {
            let Some((slot, (own, stock))) = self.known(&line.sku) else {
                let named = OutcomeLine { sku: line.sku.clone(), version: 0, allocations: Box::default(), shortage: None };
                refused.push((Code::UnknownSku, named));
                continue;
            };
            let at = slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
                slots.push(slot);
                // The ledger's own copy of the name, so that a million reservations share one.
                taken.push(ReservedLine { sku: own.clone(), allocations: Vec::with_capacity(1) });
                slots.len() - 1
            });
            if let Err((code, shortage)) = self.allocate_line(line, stock, &mut taken[at].allocations) {
                refused.push((
                    code,
                    OutcomeLine {
                        sku: own.clone(),
                        version: stock.version,
                        allocations: Box::default(),
                        shortage: shortage.map(Box::new),
                    },
                ));
            }
        }
        // An unknown name outranks a shortage: it will not come right by waiting for stock.
        let worst = [Code::UnknownSku, Code::UnknownLocation, Code::InsufficientStock]
            .into_iter()
            .find(|code| refused.iter().any(|(refusal, _)| refusal == code));
        match worst {
            None => Ok((taken, slots)),
            Some(code) => {
                let named = refused.into_iter().filter(|(refusal, _)| *refusal == code).map(|(_, line)| line);
                Err(Answer::Refused { code, lines: named.collect() })
            }
        }
    }

    pub(super) fn known(&self, sku: &Sku) -> Option<(Slot, &(Sku, SkuStock))> {
        let slot = self.skus.find(sku)?;
        Some((slot, self.skus.entry(slot)?))
    }

    fn allocate_line(&self, line: &Line, stock: &SkuStock, taken: &mut Vec<Allocated>) -> Result<(), (Code, Option<(u64, u64)>)> {
        let named: Option<Vec<&LocationId>> = match line.locations.is_empty() {
            true => Some(stock.at.iter().map(|(location, _)| location).collect()),
            false => line.locations.iter().map(|location| self.locations.get(location)).collect(),
        };
        let anywhere = named.ok_or((Code::UnknownLocation, None))?;
        let wanted = u64::from(line.quantity.get());
        let free: Vec<(&LocationId, u64)> = anywhere.into_iter().map(|at| (at, free_at(stock, at, taken))).collect();
        if let Some((whole, _)) = free.iter().find(|(_, free)| *free >= wanted) {
            add(taken, whole, wanted);
            return Ok(());
        }
        // A location may be named twice; it gives its units once.
        let mut distinct: BTreeMap<&LocationId, u64> = BTreeMap::new();
        distinct.extend(free.iter().copied());
        let could_give = match line.may_split {
            true => distinct.values().sum(),
            false => distinct.values().copied().max().unwrap_or_default(),
        };
        if !line.may_split || could_give < wanted {
            return Err((Code::InsufficientStock, Some((wanted, could_give))));
        }
        let mut missing = wanted;
        for (location, _) in free {
            let units = distinct.remove(location).unwrap_or_default().min(missing);
            add(taken, location, units);
            missing -= units;
        }
        Ok(())
    }
}

/// Units free at a location, less what earlier lines of the same command took there.
fn free_at(stock: &SkuStock, location: &LocationId, taken: &[Allocated]) -> u64 {
    let free = stock.at.get(location).map_or(0, |level| level.available());
    let gone: u64 = taken.iter().filter(|part| part.location == *location).map(|part| part.quantity).sum();
    free.saturating_sub(gone)
}

fn add(taken: &mut Vec<Allocated>, location: &LocationId, units: u64) {
    if units == 0 {
        return;
    }
    match taken.iter_mut().find(|part| part.location == *location) {
        Some(part) => part.quantity += units,
        None => taken.push(Allocated { location: location.clone(), quantity: units }),
    }
}
