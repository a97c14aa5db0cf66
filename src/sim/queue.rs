//! The queue of a world: things to happen, in the order of time.
//!
//! Invariant: things of the same instant leave the queue in the order in which they entered it, so
//! that a run repeats exactly.

use crate::time::Instant;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Things that will happen, each at its instant.
pub struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    next: u64,
}

struct Entry<T> {
    at: Instant,
    order: u64,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Schedules a thing for an instant.
    pub fn push(&mut self, at: Instant, what: T) {
        let order = self.next;
        self.next += 1;
        self.heap.push(Entry { at, order, what });
    }

    /// Takes the next thing that is due at `end`, with its instant.
    pub fn pop(&mut self, end: Instant) -> Option<(Instant, T)> {
        if self.heap.peek()?.at > end {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

// The heap pops the greatest entry, so the earliest is the greatest.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_leave_in_order_of_time_and_then_of_entry() {
        let at = Instant::from_micros;
        let mut queue = Queue::default();
        for (time, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(at(time), what);
        }
        assert_eq!(queue.pop(at(0)), None);
        let out: String = std::iter::from_fn(|| queue.pop(at(9)).map(|(_, what)| what)).collect();
        assert_eq!(out, "abcd");
    }
}
