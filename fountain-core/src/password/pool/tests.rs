use std::future::Future;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::password::testing::block_on;

/// Polls once: what has to wait is queued by then.
fn begin<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A pool of one worker that is busy until the sender is used or dropped.
fn busy(capacity: usize) -> (Pool<u32>, mpsc::Sender<()>) {
    let pool = Pool::start("test", 1, capacity).unwrap();
    let (release, gate) = mpsc::channel::<()>();
    let (taken, is_taken) = mpsc::channel();
    let gate = Mutex::new(gate);
    // Nobody waits for the result, so it is kept wanted by a clone until it was taken up.
    let result: Arc<OnceCell<Result<(), PoolError>>> = Arc::new(OnceCell::new());
    let work = move |_: &mut u32| {
        taken.send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
    };
    pool.shared
        .push(Box::new(Task {
            work: Some(work),
            result: result.clone(),
        }))
        .unwrap();
    is_taken.recv().unwrap();
    drop(result);
    (pool, release)
}

#[test]
fn each_worker_keeps_its_state() {
    let pool = Pool::<u32>::start("test", 1, 8).unwrap();
    for expected in 1..=5 {
        let count = block_on(pool.run(|state| {
            *state += 1;
            *state
        }));
        assert_eq!(count, Ok(expected));
    }
}

///
#[test]
fn as_many_run_at_once_as_there_are_workers_and_no_more() {
    let pool = Arc::new(Pool::<()>::start("test", 3, 300).unwrap());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let meet = Arc::new(Barrier::new(3));
    block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for number in 0..300 {
            let (pool, now, most, meet) = (pool.clone(), now.clone(), most.clone(), meet.clone());
            let work = move |(): &mut ()| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if number < 3 {
                    meet.wait(); // ends only if three run at once
                }
                now.fetch_sub(1, Ordering::SeqCst);
            };
            all.spawn(async move { pool.run(work).await });
        }
        assert!(all.join_all().await.iter().all(Result::is_ok));
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn who_comes_when_the_queue_is_full_is_refused_at_once() {
    let (pool, release) = busy(2);
    let (mut one, mut two) = (pin!(pool.run(|_| 1)), pin!(pool.run(|_| 2)));
    assert!(begin(one.as_mut()).is_pending() && begin(two.as_mut()).is_pending());
    let refused = begin(pin!(pool.run(|_| 3)));
    assert_eq!(refused, Poll::Ready(Err(PoolError::Full)));
    drop(release);
    assert_eq!(block_on(one), Ok(1));
    assert_eq!(block_on(two), Ok(2));
    assert_eq!(block_on(pool.run(|_| 4)), Ok(4));
}

#[test]
fn who_hangs_up_makes_room_and_is_not_worked_for() {
    let (pool, release) = busy(1);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let ran = ran.clone();
        let mut given_up = Box::pin(pool.run(move |_| ran.fetch_add(1, Ordering::SeqCst)));
        assert!(begin(given_up.as_mut()).is_pending());
    }
    let mut patient = pin!(pool.run(|_| "done"));
    assert!(begin(patient.as_mut()).is_pending());
    drop(release);
    assert_eq!(block_on(patient), Ok("done"));
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn work_whose_future_is_dropped_while_it_runs_is_finished_and_the_worker_goes_on() {
    let pool = Pool::<u32>::start("test", 1, 4).unwrap();
    let (at_it, is_at_it) = mpsc::channel();
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let mut future = Box::pin(pool.run(move |state: &mut u32| {
        at_it.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        *state = 7;
    }));
    assert!(begin(future.as_mut()).is_pending());
    is_at_it.recv().unwrap();
    drop(future);
    release.send(()).unwrap();
    assert_eq!(block_on(pool.run(|state| *state)), Ok(7));
}

#[test]
fn a_panic_ends_its_own_work_only_and_leaves_no_state_behind() {
    let pool = Pool::<u32>::start("test", 1, 4).unwrap();
    for _ in 0..3 {
        let lost = block_on(pool.run(|state: &mut u32| -> u32 {
            *state = 666;
            // Quiet, and a panic all the same.
            std::panic::resume_unwind(Box::new("on purpose"))
        }));
        assert_eq!(lost, Err(PoolError::Lost));
        assert_eq!(block_on(pool.run(|state| *state)), Ok(0));
    }
}

#[test]
fn a_pool_that_ends_leaves_nobody_waiting() {
    let (pool, release) = busy(4);
    let pool = Arc::new(pool);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let result: Arc<OnceCell<Result<(), PoolError>>> = Arc::new(OnceCell::new());
            let task = Task {
                work: Some(|_: &mut u32| ()),
                result: result.clone(),
            };
            pool.shared.push(Box::new(task)).unwrap();
            result
        })
        .collect();
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    for result in waiting {
        assert_eq!(block_on(result.wait()), &Err(PoolError::Lost));
    }
    drop(release);
    // The thread has gone when nothing holds what it shared.
    while shared.strong_count() > 0 {
        thread::yield_now();
    }
}
