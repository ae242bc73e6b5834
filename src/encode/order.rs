//! Members of parsed objects in ascending order of their names, the last of those with one name.

use std::ops::Range;

use super::parsed::{Members, Value};

/// Positions of members, of all objects that are being written: one within another, as a stack.
#[derive(Default)]
pub(super) struct Order(Vec<usize>);

impl Order {
    /// Puts `members` in order and gives the numbers under which [`Self::member`] knows them: as many as
    /// there are distinct names. To be given back to [`Self::release`] when they have been written.
    pub(super) fn sort(&mut self, members: &Members<'_>) -> Range<usize> {
        let start = self.0.len();
        let mut ascending = true;
        let mut before = None;
        let mut position = 0;
        for (name, value) in members.clone() {
            ascending &= before.is_none_or(|before| before < name);
            before = Some(name);
            self.0.push(position);
            position += Members::step(value);
        }
        if !ascending {
            self.mend(start, members);
        }
        start..self.0.len()
    }

    /// Where the positions that are pushed next will begin.
    pub(super) fn start(&self) -> usize {
        self.0.len()
    }

    /// Adds the position of one member.
    #[inline]
    pub(super) fn push(&mut self, position: usize) {
        self.0.push(position);
    }

    /// Puts those of `members` in order whose positions have been pushed since `start`; as [`Self::sort`].
    pub(super) fn arrange(&mut self, start: usize, members: &Members<'_>) -> Range<usize> {
        let name = |position: &usize| members.at(*position).map(|(name, _)| name);
        let positions = self.0.get(start..).unwrap_or_default();
        if !positions.is_sorted_by(|a, b| name(a) < name(b)) {
            self.mend(start, members);
        }
        start..self.0.len()
    }

    /// Forgets all, also what an abandoned value has left.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn mend(&mut self, start: usize, members: &Members<'_>) {
        let name = |position: usize| members.at(position).map(|(name, _)| name);
        let positions = self.0.get_mut(start..).unwrap_or_default();
        positions.sort_unstable_by(|&a, &b| name(a).cmp(&name(b)).then(a.cmp(&b)));
        let mut kept = 0;
        for i in 0..positions.len() {
            let repeated = positions.get(i + 1).is_some_and(|&next| name(next) == name(positions[i]));
            if !repeated {
                positions[kept] = positions[i];
                kept += 1;
            }
        }
        self.0.truncate(start + kept);
    }

    /// The member with number `i` of `members`, which have been put in order.
    #[inline]
    pub(super) fn member<'t>(&self, i: usize, members: &Members<'t>) -> (&'t str, Value<'t>) {
        self.0
            .get(i)
            .and_then(|&position| members.at(position))
            .expect("a number that sort gave for these members")
    }

    /// Forgets the members with the numbers `sorted` and what was sorted after them.
    #[inline]
    pub(super) fn release(&mut self, sorted: Range<usize>) {
        self.0.truncate(sorted.start);
    }

    /// Gives back what an unusually large object took.
    pub(super) fn trim(&mut self) {
        if self.0.capacity() > KEPT {
            *self = Self::default();
        }
    }
}

/// Positions for which memory is kept.
const KEPT: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::super::parsed::{Parser, View};
    use super::*;

    #[test]
    fn members_come_in_order_once_each() {
        let mut parser = Parser::default();
        let mut order = Order::default();
        for (text, expected) in [
            ("{}", ""),
            (r#"{"a":1,"b":2}"#, "a1 b2 "),
            (r#"{"b":1,"a":2,"":0}"#, "0 a2 b1 "),
            (r#"{"b":1,"a":2,"b":3,"a":4,"b":5,"c":6}"#, "a4 b5 c6 "),
            (r#"{"a":1,"a":2}"#, "a2 "),
        ] {
            let parsed = parser.parse(text).expect("well-formed");
            let View::Object(members) = parsed.root().view() else { unreachable!() };
            let sorted = order.sort(&members);
            let mut found = String::new();
            for i in sorted.clone() {
                let (name, value) = order.member(i, &members);
                let View::Scalar(super::super::element::Element::Unsigned(value)) = value.view() else {
                    unreachable!()
                };
                found.push_str(&format!("{name}{value} "));
            }
            order.release(sorted);
            assert_eq!(found, expected, "{text}");
            assert!(order.0.is_empty());
        }
    }
}
