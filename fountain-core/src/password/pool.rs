//! A few threads that work for futures: bounded in number, bounded in what waits for them, of no runtime.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use async_lock::OnceCell;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolError {
    /// The queue is full: nothing was begun.
    Full,
    /// The work panicked, or the pool ended before it came to it.
    Lost,
}

/// Threads, each with an `S` of its own that it keeps from one piece of work to the next.
pub(super) struct Pool<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    queue: Mutex<Queue<S>>,
    arrived: Condvar,
    capacity: usize,
}

struct Queue<S> {
    waiting: VecDeque<Box<dyn Work<S>>>,
    closed: bool,
}

/// A piece of work, whatever its result is.
trait Work<S>: Send {
    /// Does it, and hands the result over. Says whether `state` can be used again.
    fn run(self: Box<Self>, state: &mut S) -> bool;

    /// Whether anybody still waits for the result.
    fn is_wanted(&self) -> bool;
}

struct Task<F, T> {
    work: Option<F>,
    /// Shared with the future that waits, and with nobody else: when it is dropped, this is the only one left.
    result: Arc<OnceCell<Result<T, PoolError>>>,
}

impl<S, F, T> Work<S> for Task<F, T>
where
    F: FnOnce(&mut S) -> T + Send,
    T: Send + Sync,
{
    fn run(mut self: Box<Self>, state: &mut S) -> bool {
        let Some(work) = self.work.take() else {
            return true;
        };
        // What a panic leaves behind of `state` is thrown away by the caller, so nothing broken is seen.
        let result = catch_unwind(AssertUnwindSafe(|| work(state)));
        let intact = result.is_ok();
        let _ = self.result.try_set(result.map_err(|_| PoolError::Lost));
        intact
    }

    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.result) > 1
    }
}

impl<F, T> Drop for Task<F, T> {
    fn drop(&mut self) {
        // Nobody is left waiting for work that was thrown away. Where there is a result already, it stands.
        let _ = self.result.try_set(Err(PoolError::Lost));
    }
}

impl<S: Default + 'static> Pool<S> {
    /// Starts `workers` threads of this name, for which at most `capacity` pieces of work wait.
    pub(super) fn start(name: &str, workers: usize, capacity: usize) -> std::io::Result<Self> {
        // Made first: if a thread cannot be had, dropping it ends those that were.
        let pool = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    waiting: VecDeque::new(),
                    closed: false,
                }),
                arrived: Condvar::new(),
                capacity,
            }),
        };
        for number in 0..workers {
            let shared = pool.shared.clone();
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// Has `work` done by one of the threads.
    ///
    /// # Cancel safety
    /// Work whose future is dropped before a thread took it up is never begun; work that was taken up is finished, and
    /// its result dropped. Neither holds a place in the queue for longer than it takes to be seen.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        F: FnOnce(&mut S) -> T + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        let result = Arc::new(OnceCell::new());
        self.shared.push(Box::new(Task {
            work: Some(work),
            result: result.clone(),
        }))?;
        result.wait().await.clone()
    }
}

impl<S: Default> Shared<S> {
    fn push(&self, task: Box<dyn Work<S>>) -> Result<(), PoolError> {
        let mut queue = self.lock();
        if queue.waiting.len() >= self.capacity {
            // Those who hung up make room for those who wait.
            queue.waiting.retain(|task| task.is_wanted());
        }
        if queue.waiting.len() >= self.capacity {
            // Dropped after the lock: a waker is not to be called under it.
            drop(queue);
            return Err(PoolError::Full);
        }
        queue.waiting.push_back(task);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut state = S::default();
        while let Some(task) = self.next() {
            if task.is_wanted() && !task.run(&mut state) {
                state = S::default();
            }
        }
    }

    /// The oldest piece of work; waits for one. None when the pool has ended.
    fn next(&self) -> Option<Box<dyn Work<S>>> {
        let mut queue = self
            .arrived
            .wait_while(self.lock(), |queue| {
                queue.waiting.is_empty() && !queue.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return None;
        }
        queue.waiting.pop_front()
    }
}

impl<S> Shared<S> {
    /// The queue is whole at every moment at which something could panic, so a poisoned lock is a good one.
    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Drop for Pool<S> {
    /// The threads end when they have finished what they are at; nobody waits for them.
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(left);
        self.shared.arrived.notify_all();
    }
}

impl<S> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
