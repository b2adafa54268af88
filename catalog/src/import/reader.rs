//! Streams a file: a row at a time, a product in memory at a time.

use std::{collections::HashSet, io::Read};

use anyhow::bail;
use csv::StringRecord;
use storefront_types::Currency;

use super::{
    columns::Columns,
    fold::{Folded, Refused, Row, fold},
};

/// Rows of one product: every variant with several pictures.
const MAX_ROWS: usize = 10_000;

pub(crate) struct Products<R> {
    records: csv::StringRecordsIntoIter<R>,
    columns: Columns,
    unknown: Vec<String>,
    currency: Currency,
    /// Handle and rows of the product that is being read.
    current: Option<(String, Vec<Row>)>,
    /// Rows refused before they belonged to a product.
    pending: Vec<Refused>,
    /// Hashes of handles that are done: their rows must stand together.
    done: HashSet<[u8; 16]>,
}

/// Reads the header. A file that is no product export is refused as a whole.
pub(crate) fn products<R: Read>(input: R, currency: Currency) -> anyhow::Result<Products<R>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header = reader.headers()?.clone();
    let (columns, unknown) = Columns::find(&header);
    if columns.handle.is_none() || columns.title.is_none() || columns.price.is_none() {
        bail!("this is no product export: it needs the columns Handle (or URL handle), Title, and Variant Price (or Price)");
    }
    let records = reader.into_records();
    Ok(Products { records, columns, unknown, currency, current: None, pending: Vec::new(), done: HashSet::new() })
}

impl<R: Read> Products<R> {
    pub(crate) fn unknown_columns(&self) -> &[String] {
        &self.unknown
    }

    /// The next product, or `None` at the end.
    pub(crate) fn next_product(&mut self) -> anyhow::Result<Option<Folded>> {
        loop {
            let Some(record) = self.records.next() else { return Ok(self.last()) };
            let record = match record {
                Ok(record) => record,
                Err(error) if error.is_io_error() => return Err(error.into()),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    self.pending.push(Refused { line, column: "row", reason: "the row is not UTF-8".to_owned() });
                    continue;
                }
            };
            if let Some(folded) = self.take(&record) {
                return Ok(Some(folded));
            }
        }
    }

    fn last(&mut self) -> Option<Folded> {
        let folded = self.current.take().map(|(handle, rows)| fold(&handle, &rows, self.currency));
        let pending = std::mem::take(&mut self.pending);
        match folded {
            Some(mut folded) => {
                folded.refused.extend(pending);
                Some(folded)
            }
            None if pending.is_empty() => None,
            None => Some(Folded { draft: None, refused: pending }),
        }
    }

    /// Takes a row; gives the product before it when this row begins another.
    fn take(&mut self, record: &StringRecord) -> Option<Folded> {
        let handle = cell(record, self.columns.handle).unwrap_or_default();
        let row = self.row(record);
        match &mut self.current {
            Some((current, rows)) if *current == handle => {
                match rows.len() < MAX_ROWS {
                    true => rows.push(row),
                    false => self.pending.push(Refused {
                        line: row.line,
                        column: "Handle",
                        reason: "too many rows of one product".to_owned(),
                    }),
                }
                None
            }
            _ => {
                let mut key = [0; 16];
                key.copy_from_slice(&blake3::hash(handle.as_bytes()).as_bytes()[..16]);
                if self.done.contains(&key) {
                    let reason = format!("rows of {handle:?} stand apart; sort the file by handle");
                    self.pending.push(Refused { line: row.line, column: "Handle", reason });
                    return None;
                }
                self.done.insert(key);
                let before = self.current.replace((handle, vec![row]));
                before.map(|(handle, rows)| {
                    let mut folded = fold(&handle, &rows, self.currency);
                    folded.refused.append(&mut self.pending);
                    folded
                })
            }
        }
    }

    fn row(&self, record: &StringRecord) -> Row {
        let at = |column| cell(record, column);
        let columns = &self.columns;
        Row {
            line: record.position().map_or(0, csv::Position::line),
            title: at(columns.title),
            body: at(columns.body),
            vendor: at(columns.vendor),
            category: at(columns.category).or_else(|| at(columns.kind)),
            tags: at(columns.tags),
            options: [
                (at(columns.option1_name), at(columns.option1_value)),
                (at(columns.option2_name), at(columns.option2_value)),
                (at(columns.option3_name), at(columns.option3_value)),
            ],
            sku: at(columns.sku),
            quantity: at(columns.quantity),
            price: at(columns.price),
            compare_at: at(columns.compare_at),
            image: at(columns.image),
            image_alt: at(columns.image_alt),
            variant_image: at(columns.variant_image),
        }
    }
}

/// The trimmed cell; merchants' editors leave no-break spaces and byte-order marks around.
fn cell(record: &StringRecord, column: Option<usize>) -> Option<String> {
    let text = record.get(column?)?.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<super::super::draft::Draft>, Vec<Refused>) {
        let mut products = products(text.as_bytes(), Currency::USD).unwrap();
        let (mut drafts, mut refused) = (Vec::new(), Vec::new());
        while let Some(folded) = products.next_product().unwrap() {
            drafts.extend(folded.draft);
            refused.extend(folded.refused);
        }
        (drafts, refused)
    }

    #[test]
    fn rows_of_one_handle_make_one_product_with_every_oddity() {
        let text = "\u{feff}Handle,Title,Body (HTML),Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src\n\
            top,\u{a0}Top ,\"<p>one\n<script>x</script>two</p>\",Shirts,\"b, a\",Size,Small,,3,19.99,25,https://x/1.jpg\n\
            top,,,,,,Large,,-2,20,,https://x/2.jpg\n\
            top,,,,,,,,,,,https://x/3.jpg\n\
            pot,Pot,,,,Title,Default Title,POT-1,1,9.5,,\n";
        let (drafts, refused) = read(text);
        assert_eq!(refused, []);
        let [top, pot] = &drafts[..] else { panic!("{drafts:?}") };
        assert_eq!((top.title.as_str(), top.tags.clone(), top.images.len()), ("Top", vec!["a".to_owned(), "b".to_owned()], 3));
        assert!(top.description.contains("one\n") && !top.description.contains("script"));
        let skus: Vec<_> = top.variants.iter().map(|v| (v.sku.as_str(), v.price.amount(), v.quantity)).collect();
        assert_eq!(skus, [("top:small", 1999, 3), ("top:large", 2000, 0)]);
        assert_eq!(top.variants[0].compare_at_price.unwrap().amount(), 2500);
        assert_eq!((pot.options.len(), pot.variants[0].sku.as_str(), pot.variants[0].price.amount()), (0, "POT-1", 950));
    }

    #[test]
    fn the_new_column_names_are_known() {
        let text = "Title,URL handle,Description,SKU,Option1 name,Option1 value,Price,Compare-at price,Inventory quantity,Product image URL,Colour\r\n\
            Pot,pot,Fine,P1,Size,S,1.50,,4,https://x/p.jpg,red\r\n";
        let mut products = products(text.as_bytes(), Currency::USD).unwrap();
        assert_eq!(products.unknown_columns(), ["Colour"]);
        let draft = products.next_product().unwrap().unwrap().draft.unwrap();
        assert_eq!((draft.variants[0].sku.as_str(), draft.variants[0].quantity, draft.images.len()), ("P1", 4, 1));
    }

    #[test]
    fn a_bad_row_is_named_and_stops_nothing() {
        let text = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant Inventory Qty\n\
            a,A,Size,S,free,1\na,,,M,5,1\na,,,L,6,lots\nb,B,Title,Default Title,7,1\na,,,XL,8,1\n,C,,,1,1\nd,,Title,Default Title,1,1\n";
        let (drafts, refused) = read(text);
        let handles: Vec<_> = drafts.iter().map(|draft| (draft.handle.as_str(), draft.variants.len())).collect();
        assert_eq!(handles, [("a", 1), ("b", 1)]);
        let named: Vec<_> = refused.iter().map(|refused| (refused.line, refused.column)).collect();
        assert_eq!(named, [(2, "Variant Price"), (4, "Variant Inventory Qty"), (6, "Handle"), (7, "Handle"), (8, "Title")]);
    }

    #[test]
    fn another_file_is_refused() {
        assert!(products("a,b\n1,2\n".as_bytes(), Currency::USD).is_err());
    }
}
