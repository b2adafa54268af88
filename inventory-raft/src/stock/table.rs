//! An ordered map whose values lie in pages that can be shared.
//!
//! A frozen copy costs a pointer for each page, whatever the pages hold; a page that is written while a copy holds it is copied
//! first. So a snapshot does not stop the ledger. Pages also say which of them changed, so that what is written down is what
//! changed and no more. Slots and page numbers are a node's own affair: no decision and no hash may depend on them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};

/// Entries of a page. A page with as many reservations has about 5 KiB: small enough to copy on a write that meets a
/// snapshot, large enough that a batch of new entries fills few of them.
const PAGE_SLOTS: usize = 32;

/// The entries of one page; `None` is a free slot.
pub(crate) type Page<K, V> = Vec<Option<(K, V)>>;

/// Pages as they were at one moment.
pub(crate) type FrozenPages<K, V> = Vec<Arc<Page<K, V>>>;

#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    slots: BTreeMap<K, u32>,
    pages: FrozenPages<K, V>,
    free: Vec<u32>,
    /// Numbers of pages that changed since they were last taken, and for each page whether it is among them.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), pages: Vec::new(), free: Vec::new(), changed: Vec::new(), is_changed: Vec::new() }
    }
}

/// Where an entry lies in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    /// Below 2^32, and dense: usable as an index.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The slot of a number that [`Self::number`] gave.
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }
}

/// Page and place in it. Slots are counted in `u32`: 4 x 10^9 entries are more than fit into any node's memory.
fn place(slot: u32) -> (usize, usize) {
    (slot as usize / PAGE_SLOTS, slot as usize % PAGE_SLOTS)
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// Where a key's entry lies, until the entry is removed. Finding it is most of what an access costs, so what looks at an
    /// entry several times finds it once.
    pub(crate) fn find(&self, key: &K) -> Option<Slot> {
        self.slots.get(key).copied().map(Slot)
    }

    /// The entry with the table's own key, which shares its memory with every other use of it.
    pub(crate) fn entry(&self, slot: Slot) -> Option<&(K, V)> {
        entry(&self.pages, slot)
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> Option<&mut V> {
        let (page, at) = place(slot.0);
        self.page_mut(page)?.get_mut(at)?.as_mut().map(|(_, value)| value)
    }

    /// A page for writing: marked as changed, and copied if a frozen copy still holds it.
    fn page_mut(&mut self, page: usize) -> Option<&mut Page<K, V>> {
        let is_changed = self.is_changed.get_mut(page)?;
        if !*is_changed {
            *is_changed = true;
            self.changed.push(u32::try_from(page).ok()?);
        }
        self.pages.get_mut(page).map(Arc::make_mut)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entry(self.find(key)?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entry_mut(self.find(key)?)
    }

    /// Puts a value under a key, in place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let slot = match self.slots.entry(key.clone()) {
            Entry::Vacant(vacant) => *vacant.insert(slot),
            Entry::Occupied(known) => {
                self.free.push(slot);
                *known.get()
            }
        };
        let (page, at) = place(slot);
        if let Some(place) = self.page_mut(page).and_then(|page| page.get_mut(at)) {
            *place = Some((key, value));
        }
        Slot(slot)
    }

    /// Adds an empty page and gives its first slot; the others become free.
    fn grow(&mut self) -> u32 {
        let first = u32::try_from(self.pages.len() * PAGE_SLOTS).unwrap_or(u32::MAX);
        let empty: Page<K, V> = (0..PAGE_SLOTS).map(|_| None).collect();
        self.pages.push(Arc::new(empty));
        self.is_changed.push(false);
        // In this order the lowest is given out first, so that entries made together lie together.
        self.free.extend((first + 1..).take(PAGE_SLOTS - 1).collect::<Vec<_>>().into_iter().rev());
        first
    }

    /// Takes an entry out. The next one that is put in takes its slot.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.remove(key)?;
        let (page, at) = place(slot);
        let (_, value) = self.page_mut(page)?.get_mut(at)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Every entry with its slot, in no order that means anything.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (Slot, &(K, V))> {
        placed(&self.pages)
    }

    /// Every value for writing, with its slot, in no order that means anything; nothing is marked as changed.
    pub(crate) fn placed_mut(&mut self) -> impl Iterator<Item = (Slot, &mut V)> {
        let places = (0_u32..).zip(self.pages.iter_mut().flat_map(|page| Arc::make_mut(page).iter_mut()));
        places.filter_map(|(slot, place)| place.as_mut().map(|(_, value)| (Slot(slot), value)))
    }

    /// Entries after `after` in order of key.
    pub(crate) fn after<'a>(&'a self, after: Option<&K>) -> impl Iterator<Item = &'a (K, V)> + use<'a, K, V> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.slots.range::<K, _>((from, Bound::Unbounded)).filter_map(|(_, slot)| self.entry(Slot(*slot)))
    }

    /// The pages as they are now; later changes do not show in them.
    pub(crate) fn freeze(&self) -> FrozenPages<K, V> {
        self.pages.clone()
    }

    /// The pages that changed since the last call, with their numbers.
    pub(crate) fn take_changed(&mut self) -> Vec<(u32, Arc<Page<K, V>>)> {
        let changed = std::mem::take(&mut self.changed);
        let take = |number: u32| {
            let at = number as usize;
            *self.is_changed.get_mut(at)? = false;
            Some((number, self.pages.get(at)?.clone()))
        };
        changed.into_iter().filter_map(take).collect()
    }

    /// The table that has these pages. A missing number is an empty page.
    pub(crate) fn from_pages(pages: impl IntoIterator<Item = (u32, Page<K, V>)>) -> Self {
        let mut table = Self::default();
        for (number, mut page) in pages {
            while table.pages.len() <= number as usize {
                table.grow();
            }
            page.resize_with(PAGE_SLOTS, || None);
            table.pages[number as usize] = Arc::new(page);
        }
        let mut free = Vec::new();
        for (slot, place) in (0_u32..).zip(table.pages.iter().flat_map(|page| page.iter())) {
            match place {
                Some((key, _)) => {
                    table.slots.insert(key.clone(), slot);
                }
                None => free.push(slot),
            }
        }
        free.reverse();
        Self { free, ..table }
    }
}

/// The entry at a slot of frozen pages.
pub(crate) fn entry<K, V>(pages: &FrozenPages<K, V>, slot: Slot) -> Option<&(K, V)> {
    let (page, at) = place(slot.0);
    pages.get(page)?.get(at)?.as_ref()
}

/// Every entry of frozen pages with its slot, in no order that means anything.
pub(crate) fn placed<K, V>(pages: &FrozenPages<K, V>) -> impl Iterator<Item = (Slot, &(K, V))> {
    let places = (0_u32..).zip(pages.iter().flat_map(|page| page.iter()));
    places.filter_map(|(slot, place)| Some((Slot(slot), place.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u32),
        Remove(u16),
        Change(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = 0..200_u16;
        let step = prop_oneof![
            3 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            1 => key.clone().prop_map(Step::Remove),
            1 => key.prop_map(Step::Change),
        ];
        prop::collection::vec(step, 0..600)
    }

    fn run(table: &mut Table<u16, u32>, model: &mut BTreeMap<u16, u32>, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Insert(key, value) => {
                    let slot = table.insert(key, value);
                    assert_eq!(table.entry(slot), Some(&(key, value)));
                    model.insert(key, value);
                }
                Step::Remove(key) => assert_eq!(table.remove(&key), model.remove(&key)),
                Step::Change(key) => {
                    let changed = table.get_mut(&key).map(|value| *value ^= 1);
                    assert_eq!(changed, model.get_mut(&key).map(|value| *value ^= 1));
                }
            }
        }
    }

    fn content(table: &Table<u16, u32>) -> BTreeMap<u16, u32> {
        table.after(None).copied().collect()
    }

    proptest! {
        #[test]
        fn is_a_map_whose_copies_stay_and_whose_changed_pages_are_enough(before in steps(), after in steps()) {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            run(&mut table, &mut model, &before);
            let mut disk: BTreeMap<u32, Page<u16, u32>> =
                table.take_changed().into_iter().map(|(number, page)| (number, page.to_vec())).collect();
            let (frozen, then) = (table.freeze(), model.clone());
            run(&mut table, &mut model, &after);
            prop_assert_eq!(&content(&table), &model);
            let kept: BTreeMap<u16, u32> = placed(&frozen).map(|(_, entry)| *entry).collect();
            prop_assert_eq!(kept, then);
            disk.extend(table.take_changed().into_iter().map(|(number, page)| (number, page.to_vec())));
            let mut restored = Table::from_pages(disk);
            prop_assert_eq!(&content(&restored), &model);
            run(&mut restored, &mut model, &before);
            prop_assert_eq!(&content(&restored), &model);
        }
    }
}
