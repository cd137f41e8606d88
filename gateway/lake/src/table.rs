//! The table: rows of the log as Parquet.
//!
//! # Schema, version [`SCHEMA_VERSION`]
//!
//! The columns of `journal::row::COLUMNS`, in that order and with those meanings, behind two of our own:
//!
//! | column | meaning |
//! | --- | --- |
//! | `replica` | the gateway that wrote the row; null in an export |
//! | `log` | the audit log that it is from, a random number in hexadecimal; null in an export |
//!
//! `log`, `epoch`, `settled` and `index` together name a row once and for all. Every column is optional:
//!
//! | type of column | Parquet |
//! | --- | --- |
//! | text | `binary (STRING)` |
//! | number | `int64` |
//! | truth value | `boolean` |
//! | time | `int64 (TIMESTAMP(MILLIS, UTC))` |
//! | list of texts | `LIST` of required `binary (STRING)` |
//! | type and count | `MAP` of required `binary (STRING)` to required `int64` |
//! | JSON | `binary (STRING)` that holds JSON |
//!
//! Key-value metadata of a file: `yumen.schema_version`, and in a lake `yumen.replica`, `yumen.log`, `yumen.from` and
//! `yumen.below` (the rows' `settled` is in `from..below`). A column may be added without a new version; one that changes its
//! meaning or goes makes a new one.
//!
//! Must never know where a file goes, or how a payload becomes a row.
//! Invariants: rows stand in the order they came; at most [`GROUP_ROWS`] rows are in memory besides what was written.

use std::io::Write;
use std::sync::Arc;

use journal::row::{COLUMNS, Column, ColumnType, Row, SCHEMA_VERSION, Value};
use parquet::basic::{
    Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical,
};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

/// Rows of a row group: enough to compress well, few enough to hold.
pub const GROUP_ROWS: usize = 16_384;
/// The columns before those of a row.
const OWN: [Column; 2] = [
    Column {
        name: "replica",
        kind: ColumnType::Text,
        doc: "The gateway that wrote the row; null in an export",
        filters: &[],
    },
    Column {
        name: "log",
        kind: ColumnType::Text,
        doc: "The audit log that the row is from; null in an export",
        filters: &[],
    },
];
/// Definition level of a value in a list: the list is there, and so is the element.
const IN_LIST: i16 = 2;

/// Where rows come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The replica's name; empty in an export.
    pub replica: &'a str,
    /// The log's name; empty in an export.
    pub log: &'a str,
}

/// Writes one file.
pub struct TableWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Buffer>,
    origin: [String; 2],
    held: usize,
    rows: u64,
}

impl<W: Write + Send> TableWriter<W> {
    /// A file with no row yet. `notes` are added to its metadata.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, origin: Origin<'_>, notes: &[(&str, String)]) -> Result<Self, ParquetError> {
        let mut metadata = vec![KeyValue::new(
            "yumen.schema_version".to_owned(),
            SCHEMA_VERSION.to_string(),
        )];
        for (name, value) in notes {
            metadata.push(KeyValue::new((*name).to_owned(), value.clone()));
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("yumen".to_owned())
            .set_key_value_metadata(Some(metadata))
            .build();
        let file = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
        Ok(Self {
            file,
            columns: columns().map(|column| Buffer::new(column.kind)).collect(),
            origin: [origin.replica.to_owned(), origin.log.to_owned()],
            held: 0,
            rows: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Those of the file.
    pub fn push(&mut self, row: &Row) -> Result<(), ParquetError> {
        let own = self.origin.iter().map(|text| match text.as_str() {
            "" => Value::Null,
            text => Value::Text(text),
        });
        for (column, value) in self.columns.iter_mut().zip(own.chain(row.values())) {
            column.push(value);
        }
        self.held += 1;
        self.rows += 1;
        if self.held >= GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        if self.held > 0 {
            self.write_group()?;
        }
        self.file.into_inner()
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        self.held = 0;
        Ok(())
    }
}

/// All columns of a file, in order.
pub fn columns() -> impl Iterator<Item = &'static Column> {
    OWN.iter().chain(COLUMNS)
}

fn schema() -> Result<TypePtr, ParquetError> {
    let fields: Result<Vec<TypePtr>, ParquetError> = columns().map(field).collect();
    let schema = Type::group_type_builder("yumen_audit").with_fields(fields?);
    Ok(Arc::new(schema.build()?))
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (name, optional) = (column.name, Repetition::OPTIONAL);
    match column.kind {
        ColumnType::Text | ColumnType::Json => text(name, optional),
        ColumnType::Int => number(name, optional),
        ColumnType::Bool => plain(name, Physical::BOOLEAN, optional, None),
        ColumnType::Time => {
            let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
            plain(name, Physical::INT64, optional, Some(time))
        }
        ColumnType::Texts => {
            let element = text("element", Repetition::REQUIRED)?;
            let list = group("list", Repetition::REPEATED, vec![element], None)?;
            group(name, optional, vec![list], Some(LogicalType::List))
        }
        ColumnType::Counts => {
            let pair = vec![
                text("key", Repetition::REQUIRED)?,
                number("value", Repetition::REQUIRED)?,
            ];
            let pairs = group("key_value", Repetition::REPEATED, pair, None)?;
            group(name, optional, vec![pairs], Some(LogicalType::Map))
        }
    }
}

fn text(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    plain(
        name,
        Physical::BYTE_ARRAY,
        repetition,
        Some(LogicalType::String),
    )
}

fn number(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    plain(name, Physical::INT64, repetition, None)
}

fn plain(
    name: &str,
    physical: Physical,
    repetition: Repetition,
    logical: Option<LogicalType>,
) -> Result<TypePtr, ParquetError> {
    let builder = Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical);
    Ok(Arc::new(builder.build()?))
}

fn group(
    name: &str,
    repetition: Repetition,
    fields: Vec<TypePtr>,
    logical: Option<LogicalType>,
) -> Result<TypePtr, ParquetError> {
    // Old readers know only the converted types.
    let converted = match &logical {
        Some(LogicalType::List) => ConvertedType::LIST,
        Some(LogicalType::Map) => ConvertedType::MAP,
        _ => ConvertedType::NONE,
    };
    let builder = Type::group_type_builder(name)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_converted_type(converted)
        .with_fields(fields);
    Ok(Arc::new(builder.build()?))
}

/// A column's values until its row group is written.
enum Buffer {
    Text(Levels, Vec<ByteArray>),
    Int(Levels, Vec<i64>),
    Bool(Levels, Vec<bool>),
    Texts(Levels, Vec<ByteArray>),
    Counts(Levels, Vec<ByteArray>, Vec<i64>),
}

/// Which values are there, and where lists begin.
#[derive(Default)]
struct Levels {
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Levels {
    fn one(&mut self, there: bool) {
        self.defined.push(i16::from(there));
    }

    fn list(&mut self, length: usize) {
        if length == 0 {
            self.defined.push(0);
            self.repeated.push(0);
        }
        for at in 0..length {
            self.defined.push(IN_LIST);
            self.repeated.push(i16::from(at > 0));
        }
    }
}

impl Buffer {
    fn new(kind: ColumnType) -> Self {
        let levels = Levels::default();
        match kind {
            ColumnType::Text | ColumnType::Json => Self::Text(levels, Vec::new()),
            ColumnType::Int | ColumnType::Time => Self::Int(levels, Vec::new()),
            ColumnType::Bool => Self::Bool(levels, Vec::new()),
            ColumnType::Texts => Self::Texts(levels, Vec::new()),
            ColumnType::Counts => Self::Counts(levels, Vec::new(), Vec::new()),
        }
    }

    /// Adds a row's value. One of another type than the column's is null: a row cannot make such.
    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(levels, values), Value::Text(text) | Value::Json(text)) => {
                levels.one(true);
                values.push(bytes(text));
            }
            (Self::Int(levels, values), Value::Int(number) | Value::Time(number)) => {
                levels.one(true);
                values.push(number);
            }
            (Self::Bool(levels, values), Value::Bool(flag)) => {
                levels.one(true);
                values.push(flag);
            }
            (Self::Texts(levels, values), Value::Texts(list)) => {
                levels.list(list.len());
                values.extend(list.iter().map(|text| bytes(text)));
            }
            (Self::Counts(levels, keys, values), Value::Counts(list)) => {
                levels.list(list.len());
                keys.extend(list.iter().map(|count| bytes(&count.name)));
                values.extend(list.iter().map(|count| count.count));
            }
            (Self::Text(levels, _) | Self::Int(levels, _) | Self::Bool(levels, _), _) => {
                levels.one(false);
            }
            (Self::Texts(levels, _) | Self::Counts(levels, ..), _) => levels.list(0),
        }
    }

    /// Writes what was held, and holds nothing.
    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        match self {
            Self::Text(levels, values) | Self::Texts(levels, values) => {
                chunk::<ByteArrayType, W>(group, levels, values)?;
                values.clear();
                levels.clear();
            }
            Self::Int(levels, values) => {
                chunk::<Int64Type, W>(group, levels, values)?;
                values.clear();
                levels.clear();
            }
            Self::Bool(levels, values) => {
                chunk::<BoolType, W>(group, levels, values)?;
                values.clear();
                levels.clear();
            }
            Self::Counts(levels, keys, values) => {
                chunk::<ByteArrayType, W>(group, levels, keys)?;
                chunk::<Int64Type, W>(group, levels, values)?;
                keys.clear();
                values.clear();
                levels.clear();
            }
        }
        Ok(())
    }
}

impl Levels {
    fn clear(&mut self) {
        self.defined.clear();
        self.repeated.clear();
    }
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// Writes the next column of a row group.
fn chunk<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    levels: &Levels,
    values: &[D::T],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("too many columns".to_owned()));
    };
    let repeated = Some(levels.repeated.as_slice()).filter(|levels| !levels.is_empty());
    column
        .typed::<D>()
        .write_batch(values, Some(&levels.defined), repeated)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use journal::record::Kind;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    fn row(kind: Kind, payload: &str) -> Row {
        let mut row = Row::default();
        assert!(row.read(kind, payload.as_bytes()));
        row
    }

    #[test]
    fn rows_read_back() {
        let origin = Origin {
            replica: "a",
            log: "f00",
        };
        let notes = [("yumen.from", "0".to_owned())];
        let mut table = TableWriter::new(Vec::new(), origin, &notes).unwrap();
        let full = r#"{"at":1764115200123,"id":"x","policies":["p","密"],"findings":[{"type":"EMAIL","count":2},{"type":"CN_ID_CARD","count":1}],"stream":true,"unknown":{"a":1}}"#;
        table.push(&row(Kind::Opened, full)).unwrap();
        table
            .push(&row(Kind::Event, r#"{"what":"start"}"#))
            .unwrap();
        assert_eq!(table.rows(), 2);
        let file = bytes::Bytes::from(table.finish().unwrap());

        let reader = SerializedFileReader::new(file).unwrap();
        let metadata = reader.metadata().file_metadata();
        let notes: Vec<(&str, Option<&str>)> = metadata
            .key_value_metadata()
            .unwrap()
            .iter()
            .map(|note| (note.key.as_str(), note.value.as_deref()))
            .collect();
        assert_eq!(
            notes,
            [
                ("yumen.schema_version", Some("1")),
                ("yumen.from", Some("0"))
            ]
        );
        let rows: Vec<HashMap<String, String>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                let columns = row.get_column_iter();
                columns
                    .map(|(name, value)| (name.clone(), value.to_string()))
                    .collect()
            })
            .collect();
        for (column, value) in [
            ("replica", "\"a\""),
            ("policies", "[\"p\", \"密\"]"),
            ("findings", "{\"EMAIL\" -> 2, \"CN_ID_CARD\" -> 1}"),
            ("stream", "true"),
            ("extra", "\"{\"opened.unknown\":{\"a\":1}}\""),
            ("time", "2025-11-26 00:00:00.123 +00:00"),
        ] {
            assert_eq!(rows[0][column], value);
        }
        assert_eq!(rows[1]["policies"], "null");
        assert_eq!(rows[1]["what"], "\"start\"");
        assert_eq!(rows.len(), 2);
    }

    /// What is written for readers is what is written into files.
    #[test]
    fn the_documented_columns_are_the_columns() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/audit-table.md");
        let text = std::fs::read_to_string(page).unwrap();
        let table = text.split("| column | type | meaning |").nth(1).unwrap();
        let told: Vec<&str> = table.trim().lines().skip(1).collect();
        let line = |column: &Column| {
            let kind = match column.kind {
                ColumnType::Text => "text",
                ColumnType::Int => "number",
                ColumnType::Bool => "truth value",
                ColumnType::Time => "time",
                ColumnType::Texts => "texts",
                ColumnType::Counts => "counts",
                ColumnType::Json => "JSON",
            };
            format!("| `{}` | {kind} | {} |", column.name, column.doc)
        };
        let real: Vec<String> = columns().map(line).collect();
        assert!(
            told == real,
            "deploy/audit-table.md must end with:\n{}",
            real.join("\n")
        );
    }

    #[test]
    fn groups_are_bounded() {
        let mut table = TableWriter::new(Vec::new(), Origin::default(), &[]).unwrap();
        let row = row(Kind::Denied, r#"{"id":"x","policies":["p"]}"#);
        for _ in 0..GROUP_ROWS + 1 {
            table.push(&row).unwrap();
        }
        let file = bytes::Bytes::from(table.finish().unwrap());
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<i64> = reader
            .metadata()
            .row_groups()
            .iter()
            .map(|group| group.num_rows())
            .collect();
        assert_eq!(rows, [GROUP_ROWS as i64, 1]);
    }
}
