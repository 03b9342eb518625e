//! What was said last, at hand: who asks for it before every answer would otherwise read, open and parse the same turns each
//! time. A conversation comes in when it is read, and what is said in it is added once it is on disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use switchhook_core::hook::Turn;

use crate::tag::Tag;

/// What all conversations together may take, roughly: some two thousand turns of a usual length.
const BYTES: usize = 512 * 1024;
/// What a turn takes besides its text.
const TURN: usize = 128;
/// What a conversation takes besides its turns: one in which nothing was said is at hand, too.
const CONVERSATION: usize = 256;

/// A turn and its row.
pub(crate) type Row = (i64, Arc<Turn>);

#[derive(Default)]
pub(crate) struct Recent {
    conversations: HashMap<Tag, State>,
    /// Which conversation was asked for when, oldest first.
    uses: BTreeMap<u64, Tag>,
    /// The last number given to a use or a reading.
    last: u64,
    bytes: usize,
}

enum State {
    /// Somebody is reading it, under this number. Nothing was said in it since he began.
    Reading(u64),
    Said(Said),
}

/// The newest turns of a conversation, without a gap, oldest first.
struct Said {
    turns: VecDeque<Row>,
    /// Nothing was said before them.
    whole: bool,
    /// The most turns that anybody asked for.
    most: usize,
    bytes: usize,
    used: u64,
}

/// What was found on disk, oldest first.
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    /// There is nothing before them.
    pub(crate) whole: bool,
}

impl Recent {
    /// The newest turns, as [`Store::history`](crate::Store::history) wants them; none where the disk must be asked.
    pub(crate) fn get(&mut self, conversation: Tag, max_turns: usize, max_bytes: usize) -> Option<Vec<Turn>> {
        let used = self.last + 1;
        let Some(State::Said(said)) = self.conversations.get_mut(&conversation) else { return None };
        let turns = said.newest(max_turns, max_bytes)?;
        self.uses.remove(&said.used);
        self.uses.insert(used, conversation);
        said.used = used;
        self.last = used;
        Some(turns)
    }

    /// Somebody is about to ask the disk. Returns the number under which he says what he found.
    pub(crate) fn begin(&mut self, conversation: Tag) -> u64 {
        self.forget(conversation);
        self.last += 1;
        self.conversations.insert(conversation, State::Reading(self.last));
        self.last
    }

    /// Keeps what was found, unless something was said meanwhile.
    pub(crate) fn found(&mut self, conversation: Tag, number: u64, max_turns: usize, found: Found) {
        if !self.end(conversation, number) {
            return;
        }
        let Found { rows, whole } = found;
        let bytes = CONVERSATION + rows.iter().map(size).sum::<usize>();
        self.last += 1;
        let said = Said { turns: rows.into(), whole, most: max_turns, bytes, used: self.last };
        self.uses.insert(said.used, conversation);
        self.bytes += bytes;
        self.conversations.insert(conversation, State::Said(said));
        self.make_room();
    }

    /// The reading is over. False where what it found may be out of date.
    pub(crate) fn end(&mut self, conversation: Tag, number: u64) -> bool {
        let is_it = matches!(self.conversations.get(&conversation), Some(State::Reading(begun)) if *begun == number);
        if is_it {
            self.conversations.remove(&conversation);
        }
        is_it
    }

    /// A turn is on disk.
    pub(crate) fn said(&mut self, conversation: Tag, row: Row) {
        let Some(State::Said(said)) = self.conversations.get_mut(&conversation) else {
            // Whoever reads it now may have missed this one.
            self.conversations.remove(&conversation);
            return;
        };
        let before = said.bytes;
        if said.add(row) {
            self.bytes = self.bytes - before + said.bytes;
            self.make_room();
        } else {
            self.forget(conversation);
        }
    }

    pub(crate) fn forget(&mut self, conversation: Tag) {
        if let Some(State::Said(said)) = self.conversations.remove(&conversation) {
            self.uses.remove(&said.used);
            self.bytes -= said.bytes;
        }
    }

    pub(crate) fn forget_all(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }

    fn make_room(&mut self) {
        while self.bytes > BYTES {
            let Some((_, oldest)) = self.uses.pop_first() else { return };
            self.forget(oldest);
        }
    }
}

impl Said {
    fn newest(&self, max_turns: usize, max_bytes: usize) -> Option<Vec<Turn>> {
        let (mut taken, mut room) = (0, max_bytes);
        for (_, turn) in self.turns.iter().rev().take(max_turns) {
            let Some(left) = room.checked_sub(turn.text.len()) else {
                return Some(self.last_turns(taken));
            };
            room = left;
            taken += 1;
        }
        (taken == max_turns || self.whole).then(|| self.last_turns(taken))
    }

    fn last_turns(&self, count: usize) -> Vec<Turn> {
        self.turns.range(self.turns.len() - count..).map(|(_, turn)| Turn::clone(turn)).collect()
    }

    /// False where it is not known what belongs between the turns.
    fn add(&mut self, row: Row) -> bool {
        match self.turns.back() {
            // It was found on disk before it was told.
            Some((last, _)) if *last >= row.0 => return self.turns.iter().any(|(id, _)| *id == row.0),
            _ => {}
        }
        self.bytes += size(&row);
        self.turns.push_back(row);
        while self.turns.len() > self.most {
            self.whole = false;
            self.bytes -= self.turns.pop_front().map_or(0, |row| size(&row));
        }
        true
    }
}

fn size((_, turn): &Row) -> usize {
    turn.text.len() + turn.name.as_ref().map_or(0, String::len) + TURN
}

#[cfg(test)]
mod tests {
    use switchhook_core::hook::Speaker;
    use switchhook_core::time::UnixMillis;

    use super::*;

    const HERE: Tag = Tag([1; 16]);

    fn row(id: i64, text: &str) -> Row {
        (id, Arc::new(Turn { speaker: Speaker::Person, name: None, text: text.to_owned(), at: UnixMillis(0) }))
    }

    fn texts(turns: Option<Vec<Turn>>) -> Option<Vec<String>> {
        turns.map(|turns| turns.into_iter().map(|turn| turn.text).collect())
    }

    fn with(rows: Vec<Row>, whole: bool) -> Recent {
        let mut recent = Recent::default();
        let number = recent.begin(HERE);
        recent.found(HERE, number, 3, Found { rows, whole });
        recent
    }

    #[test]
    fn more_than_is_at_hand_is_not_answered() {
        let mut recent = with(vec![row(4, "four"), row(5, "five")], false);
        assert_eq!(texts(recent.get(HERE, 2, 99)).unwrap(), ["four", "five"]);
        assert_eq!(texts(recent.get(HERE, 3, 99)), None);
        assert_eq!(texts(recent.get(HERE, 3, 7)).unwrap(), ["five"], "the bytes end before the turns do");
        assert_eq!(texts(recent.get(Tag([2; 16]), 3, 99)), None);
        let mut whole = with(vec![row(4, "four")], true);
        assert_eq!(texts(whole.get(HERE, 3, 99)).unwrap(), ["four"]);
    }

    #[test]
    fn what_is_said_is_added_and_the_oldest_goes() {
        let mut recent = with(vec![row(4, "four")], true);
        (5..8).for_each(|id| recent.said(HERE, row(id, &id.to_string())));
        assert_eq!(texts(recent.get(HERE, 3, 99)).unwrap(), ["5", "6", "7"]);
        assert_eq!(texts(recent.get(HERE, 4, 99)), None, "what went may be wanted");
    }

    #[test]
    fn a_turn_that_the_disk_told_of_first_is_there_once() {
        let mut recent = with(vec![row(4, "four"), row(5, "five")], true);
        recent.said(HERE, row(5, "five"));
        assert_eq!(texts(recent.get(HERE, 3, 99)).unwrap(), ["four", "five"]);
        recent.said(HERE, row(3, "three"));
        assert_eq!(texts(recent.get(HERE, 3, 99)), None, "its place is not known");
        assert_eq!((recent.bytes, recent.uses.len()), (0, 0));
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let mut recent = Recent::default();
        let found = || Found { rows: vec![row(1, "old")], whole: true };
        let number = recent.begin(HERE);
        recent.said(HERE, row(2, "new"));
        recent.found(HERE, number, 3, found());
        assert_eq!(texts(recent.get(HERE, 1, 99)), None);
        // Another reading, begun since, is not ended by this one.
        let (first, second) = (recent.begin(HERE), recent.begin(HERE));
        recent.found(HERE, first, 3, found());
        assert_eq!(texts(recent.get(HERE, 1, 99)), None);
        recent.found(HERE, second, 3, found());
        assert!(recent.get(HERE, 1, 99).is_some());
        let given_up = recent.begin(HERE);
        assert!(recent.end(HERE, given_up) && recent.conversations.is_empty());
        let number = recent.begin(HERE);
        recent.forget(HERE);
        recent.found(HERE, number, 3, found());
        assert_eq!(texts(recent.get(HERE, 1, 99)), None);
    }

    #[test]
    fn conversations_without_a_turn_are_bounded() {
        let mut recent = Recent::default();
        for n in 0..3 * (BYTES / CONVERSATION) as u64 {
            let mut tag = Tag([0; 16]);
            tag.0[..8].copy_from_slice(&n.to_be_bytes());
            let number = recent.begin(tag);
            recent.found(tag, number, 4, Found { rows: Vec::new(), whole: true });
        }
        assert_eq!(recent.conversations.len(), BYTES / CONVERSATION);
        assert_eq!(recent.uses.len(), recent.conversations.len());
    }

    #[test]
    fn the_least_wanted_makes_room() {
        let text = "x".repeat(BYTES / 4);
        let mut recent = Recent::default();
        let tag = |n: u8| Tag([n; 16]);
        for n in 0..3 {
            let number = recent.begin(tag(n));
            recent.found(tag(n), number, 9, Found { rows: vec![row(i64::from(n), &text)], whole: true });
        }
        assert!(recent.get(tag(0), 1, usize::MAX).is_some());
        recent.said(tag(2), row(9, &text));
        let left: Vec<bool> = (0..3).map(|n| recent.get(tag(n), 1, usize::MAX).is_some()).collect();
        assert_eq!(left, [true, false, true]);
        assert!(recent.bytes <= BYTES);
        recent.forget_all();
        assert_eq!((recent.bytes, recent.uses.len(), recent.conversations.len()), (0, 0, 0));
    }
}
