//! Several requests at a time.

use std::{future, panic};

use tokio::task::JoinSet;

/// What `work` makes of each item, in the order given; at most ten at a time.
///
/// # Errors
///
/// The first failure; others that were still under way are given up.
pub async fn each<T, R, E, F>(items: impl IntoIterator<Item = T>, work: impl Fn(T) -> F) -> Result<Vec<R>, E>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
{
    let mut waiting = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((place, item)) = waiting.next()
        {
            let work = work(item);
            running.spawn(async move { (place, work.await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((place, result))) => done.push((place, result?)),
            Some(Err(failed)) => match failed.try_into_panic() {
                Ok(reason) => panic::resume_unwind(reason),
                // The runtime goes down, and whoever waits here with it.
                Err(_) => future::pending().await,
            },
        }
    }
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Requests under way at a time: enough to hide the distance, few enough for a small registry.
const AT_ONCE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    #[test]
    fn results_are_in_the_order_given_and_the_first_failure_ends_it() {
        run(async {
            // The later an item, the sooner it is done.
            let slowly = |item: usize| async move {
                for _ in item..100 {
                    tokio::task::yield_now().await;
                }
                if item == 90 { Err(item) } else { Ok(item) }
            };
            assert_eq!(each(0..50, slowly).await, Ok((0..50).collect()));
            assert_eq!(each(0..100, slowly).await, Err(90));
            assert_eq!(each([], slowly).await, Ok(vec![]));
        });
    }
}
