//! Makes transactions of Stores from a fixture: documents of one key are combined, and come out by
//! binding and key.
//!
//! The last document of a key wins; the reductions that a schema may ask for are not done. A
//! transaction holds the texts of its documents, each once; they become Stores one by one.

use std::collections::{BTreeMap, HashMap, btree_map};
use std::io::BufRead;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::Error;
use super::extract::{Extractor, StoreDoc};
use super::fixture::{Entry, Fixture, without_place};
use super::uuid;

/// A fixture's documents as transactions of Stores.
#[derive(Debug)]
pub struct Transactions<R> {
    fixture: Fixture<R>,
    extractors: Vec<Extractor>,
    /// The bindings that read a collection.
    readers: HashMap<String, Vec<u32>>,
    /// How many transactions came before.
    number: u64,
    ended: bool,
}

/// The Stores of one transaction, by ascending binding and key.
#[derive(Debug)]
pub struct Transaction<'t> {
    /// Its number among all of the fixture, from zero; empty ones count.
    pub number: u64,
    /// How many documents of the fixture it has for the task's bindings: a document counts once for
    /// each binding that reads its collection.
    pub documents: u64,
    extractors: &'t [Extractor],
    stores: btree_map::IntoIter<StoreKey, Pending>,
    fixture: &'t str,
}

/// Binding and packed key.
type StoreKey = (u32, Vec<u8>);

/// A document that has yet to become a Store.
#[derive(Debug)]
struct Pending {
    /// Line in the fixture.
    line: u64,
    uuid: Arc<str>,
    text: Arc<str>,
}

impl<R: BufRead> Transactions<R> {
    /// Delivers the documents of a fixture to bindings, given by the names of their collections.
    pub fn new(fixture: Fixture<R>, bindings: impl IntoIterator<Item = (String, Extractor)>) -> Self {
        let mut readers: HashMap<String, Vec<u32>> = HashMap::new();
        let mut extractors = Vec::new();
        for (binding, (collection, extractor)) in (0..).zip(bindings) {
            readers.entry(collection).or_default().push(binding);
            extractors.push(extractor);
        }
        Self { fixture, extractors, readers, number: 0, ended: false }
    }

    /// The next transaction; none at the end of the fixture. One without documents is one too, also
    /// the only one of an empty fixture.
    ///
    /// # Errors
    /// If the fixture cannot be read or is not what it must be. After an error there is no more.
    pub fn next_transaction(&mut self) -> Result<Option<Transaction<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let mut stores = BTreeMap::new();
        let (mut position, mut documents) = (0_u64, 0_u64);
        let committed = loop {
            match self.fixture.next()? {
                None => break false,
                Some(Entry::Commit) => break true,
                Some(Entry::Document { line, collection, document }) => {
                    let readers = self.readers.get(&collection).map(Vec::as_slice).unwrap_or_default();
                    let uuid: Arc<str> = uuid::synthetic(self.number, position).into();
                    position += 1;
                    if readers.is_empty() {
                        continue;
                    }
                    let text: Arc<str> = document.get().into();
                    let fault =
                        |reason| self.fixture.fault(line, format!("collection {collection:?}: {reason}"));
                    let document = parse(&text, &uuid).map_err(fault)?;
                    for &binding in readers {
                        let Some(extractor) = self.extractors.get(to_index(binding)) else { continue };
                        let pending = Pending { line, uuid: uuid.clone(), text: text.clone() };
                        stores.insert((binding, extractor.key(&document)), pending);
                        documents += 1;
                    }
                }
            }
        };
        self.ended = !committed;
        if !committed && position == 0 && self.number > 0 {
            return Ok(None);
        }
        let number = self.number;
        self.number += 1;
        Ok(Some(Transaction {
            number,
            documents,
            extractors: &self.extractors,
            stores: stores.into_iter(),
            fixture: self.fixture.name(),
        }))
    }
}

impl Iterator for Transaction<'_> {
    type Item = Result<StoreDoc, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let ((binding, _), pending) = self.stores.next()?;
        let extractor = self.extractors.get(to_index(binding))?;
        let stored = parse(&pending.text, &pending.uuid).map(|document| extractor.store(binding, &document));
        let (fixture, line) = (self.fixture, pending.line);
        Some(stored.map_err(|reason| Error::FixtureLine { fixture: fixture.to_owned(), line, reason }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stores.size_hint()
    }
}

impl ExactSizeIterator for Transaction<'_> {}

/// A document with its UUID in place, or why it is none.
fn parse(text: &str, uuid: &str) -> Result<Value, String> {
    let parsed = serde_json::from_str::<Value>(text);
    let mut document = parsed.map_err(|error| format!("its document: {}", without_place(&error)))?;
    let members = document.as_object_mut().ok_or("the document is not an object")?;
    let meta = members.entry("_meta").or_insert_with(|| Value::Object(Map::new()));
    let meta = meta.as_object_mut().ok_or("the document's _meta is not an object")?;
    meta.insert("uuid".to_owned(), Value::from(uuid));
    Ok(document)
}

/// A binding's number as a place in a list.
fn to_index(binding: u32) -> usize {
    usize::try_from(binding).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
