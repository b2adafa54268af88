//! Streams in order of key: two of them brought together, each key once, with what either has; and what follows with one key as one.

use std::{cmp::Ordering, pin::Pin};

use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, Peekable, try_unfold},
};

type Pairs<A, B> = (Option<A>, Option<B>);
type Boxed<'a, T, E> = Peekable<BoxStream<'a, Result<T, E>>>;

/// Of each key, what `left` and `right` have. Only what was not yet given is in memory.
pub fn merge<'a, A, B, K, E>(
    left: impl Stream<Item = Result<A, E>> + Send + 'a,
    right: impl Stream<Item = Result<B, E>> + Send + 'a,
    left_key: impl Fn(&A) -> K + Send + Sync + 'a,
    right_key: impl Fn(&B) -> K + Send + Sync + 'a,
) -> impl Stream<Item = Result<Pairs<A, B>, E>> + 'a
where
    A: Send + 'a,
    B: Send + 'a,
    K: Ord + Send,
    E: Send + 'a,
{
    let left: Pin<Box<dyn Stream<Item = Result<A, E>> + Send + 'a>> = Box::pin(left);
    let right: Pin<Box<dyn Stream<Item = Result<B, E>> + Send + 'a>> = Box::pin(right);
    let sides: (Boxed<'a, A, E>, Boxed<'a, B, E>) = (left.peekable(), right.peekable());
    let keys = std::sync::Arc::new((left_key, right_key));
    try_unfold(sides, move |(mut left, mut right)| {
        let keys = keys.clone();
        async move {
            // A failed side goes first, so that its error comes out.
            let first = {
                let (a, b) = (Pin::new(&mut left).peek().await, Pin::new(&mut right).peek().await);
                match (a, b) {
                    (None, None) => return Ok(None),
                    (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                    (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
                    (Some(Ok(a)), Some(Ok(b))) => keys.0(a).cmp(&keys.1(b)),
                }
            };
            let a = if first == Ordering::Greater { None } else { left.next().await.transpose()? };
            let b = if first == Ordering::Less { None } else { right.next().await.transpose()? };
            Ok(Some(((a, b), (left, right))))
        }
    })
}

/// What follows one another with one key, together. Only the run at hand is in memory, and the item that ends it.
pub fn runs<'a, K, T, E>(
    items: impl Stream<Item = Result<(K, T), E>> + Send + 'a,
) -> impl Stream<Item = Result<(K, Vec<T>), E>> + Send + 'a
where
    K: PartialEq + Send + Sync + 'a,
    T: Send + Sync + 'a,
    E: Send + Sync + 'a,
{
    let items: BoxStream<'a, Result<(K, T), E>> = Box::pin(items);
    try_unfold(items.peekable(), |mut items| async move {
        let Some((key, first)) = items.next().await.transpose()? else { return Ok(None) };
        let mut run = vec![first];
        // An error belongs to the run, so that the run does not pass for whole.
        let belongs = |next: &Result<(K, T), E>| next.as_ref().map_or(true, |(of, _)| *of == key);
        while let Some(next) = Pin::new(&mut items).next_if(&belongs).await {
            run.push(next?.1);
        }
        Ok(Some(((key, run), items)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
    use proptest::prelude::*;

    use super::*;

    /// All pairs, or the error; every stream here is ready at once.
    fn pairs(left: Vec<Result<u8, u16>>, right: Vec<Result<u8, u16>>) -> Result<Vec<Pairs<u8, u8>>, u16> {
        let merged = merge(stream::iter(left), stream::iter(right), |a| *a, |b| *b);
        merged.try_collect().now_or_never().unwrap()
    }

    proptest! {
        #[test]
        fn is_what_looking_up_every_key_gives(left: std::collections::BTreeSet<u8>, right: std::collections::BTreeSet<u8>) {
            let mut naive: BTreeMap<u8, Pairs<u8, u8>> = BTreeMap::new();
            left.iter().for_each(|key| naive.entry(*key).or_default().0 = Some(*key));
            right.iter().for_each(|key| naive.entry(*key).or_default().1 = Some(*key));
            let of = |side: &std::collections::BTreeSet<u8>| side.iter().map(|key| Ok(*key)).collect::<Vec<_>>();
            let merged = pairs(of(&left), of(&right)).unwrap();
            prop_assert_eq!(merged, naive.into_values().collect::<Vec<_>>());
        }
    }

    fn all_runs(items: Vec<Result<(u8, u16), char>>) -> Result<Vec<(u8, Vec<u16>)>, char> {
        runs(stream::iter(items)).try_collect().now_or_never().unwrap()
    }

    proptest! {
        #[test]
        fn runs_are_what_grouping_by_key_gives(items: BTreeMap<u8, Vec<u16>>) {
            let items: Vec<(u8, Vec<u16>)> = items.into_iter().filter(|(_, of)| !of.is_empty()).collect();
            let each = items.iter().flat_map(|(key, of)| of.iter().map(|item| Ok((*key, *item)))).collect();
            prop_assert_eq!(all_runs(each).unwrap(), items);
        }
    }

    #[test]
    fn a_run_that_fails_does_not_pass_for_whole() {
        let told: Vec<_> = runs(stream::iter([Ok((1, 1)), Ok((1, 2)), Err('x')])).collect::<Vec<_>>().now_or_never().unwrap();
        assert_eq!(told, [Err('x')]);
        assert_eq!(all_runs(vec![Ok((1, 1)), Ok((2, 2)), Err('x')]), Err('x'));
    }

    #[test]
    fn a_side_that_fails_is_not_taken_for_one_that_ended() {
        assert_eq!(pairs(vec![Ok(1), Err(7)], vec![Ok(1), Ok(2)]), Err(7));
        assert_eq!(pairs(vec![], vec![Ok(1), Err(8)]), Err(8));
        let merged = merge(stream::iter([Ok::<u8, u16>(1), Err(7)]), stream::iter([Ok(9)]), |a| *a, |b: &u8| *b);
        let first = merged.boxed_local().next().now_or_never().unwrap();
        assert_eq!(first, Some(Ok((Some(1), None))));
    }
}
