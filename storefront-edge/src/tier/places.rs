//! How far purges had come when an answer was asked for.

use std::{collections::VecDeque, sync::Arc};

use crate::purge::Place;

/// Places that are remembered. At a thousand purges a second an answer that takes half a second is written all the same.
const MAX_REMEMBERED: usize = 512;

/// How far both lists of purges were followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) orders: Place,
    /// Where there is no catalog, `None`.
    pub(super) catalog: Option<(Arc<str>, u64)>,
}

/// Tickets, and the place that each is sure of.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// There is a catalog: until it is followed, nobody knows what it purged, and there is no place.
    has_catalog: bool,
    orders: Option<Place>,
    catalog: Option<(Arc<str>, u64)>,
    remembered: VecDeque<(u64, Arc<Both>)>,
}

impl Places {
    pub(super) fn new(has_catalog: bool) -> Self {
        Self { has_catalog, ..Self::default() }
    }

    pub(super) fn followed(&mut self, place: &Place, ticket: u64) {
        if self.orders.as_ref() != Some(place) {
            self.orders = Some(place.clone());
            self.remember(ticket);
        }
    }

    pub(super) fn catalog(&mut self, epoch: &str, sequence: u64, ticket: u64) {
        if self.catalog.as_ref().is_some_and(|(known, last)| **known == *epoch && *last == sequence) {
            return;
        }
        self.catalog = Some((epoch.into(), sequence));
        self.remember(ticket);
    }

    fn remember(&mut self, ticket: u64) {
        let Some(orders) = self.orders.clone() else { return };
        if self.has_catalog && self.catalog.is_none() {
            return;
        }
        if self.remembered.len() == MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back((ticket, Arc::new(Both { orders, catalog: self.catalog.clone() })));
    }

    pub(super) fn now(&self) -> Option<Arc<Both>> {
        self.remembered.back().map(|(_, both)| both.clone())
    }

    /// What had been followed for sure when a ticket was taken.
    pub(super) fn at(&self, ticket: u64) -> Option<Arc<Both>> {
        self.remembered.iter().rev().find(|(sure, _)| *sure <= ticket).map(|(_, both)| both.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_place_before_both_lists_are_followed() {
        let order = Place { epoch: "e".to_owned(), sequence: 1 };
        let mut orders_first = Places::new(true);
        orders_first.followed(&order, 1);
        assert!(orders_first.now().is_none() && orders_first.at(9).is_none());
        orders_first.catalog("c", 1, 2);
        assert!(orders_first.now().is_some() && orders_first.at(1).is_none());
        let mut catalog_first = Places::new(true);
        catalog_first.catalog("c", 1, 1);
        assert!(catalog_first.now().is_none());
        let mut alone = Places::new(false);
        alone.followed(&order, 1);
        assert!(alone.now().is_some_and(|both| both.catalog.is_none()));
    }

    #[test]
    fn an_answer_has_the_place_that_was_reached_before_it_was_asked_for() {
        let mut places = Places::default();
        let order = |sequence| Place { epoch: "e".to_owned(), sequence };
        places.catalog("c", 1, 3);
        assert!(places.now().is_none(), "no list of orders is followed");
        places.followed(&order(1), 5);
        places.catalog("c", 1, 6);
        places.catalog("c", 2, 7);
        let at = |ticket| places.at(ticket).map(|both| (both.orders.sequence, both.catalog.clone().map(|(_, last)| last)));
        assert_eq!(
            [at(4), at(5), at(6), at(7), at(99)],
            [None, Some((1, Some(1))), Some((1, Some(1))), Some((1, Some(2))), Some((1, Some(2)))]
        );
    }
}
