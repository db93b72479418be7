//! The workbook's functions in SQL: what scheduler, executors and client all register.
//!
//! | function | gives |
//! |---|---|
//! | `shrink(path)` | the X-ray at `path` as 64 × 64 bytes of grey; an unreadable file is an error |
//! | `executor()` | the name of the process that computes this row |
//!
//! The code of a function is part of every program; what travels in a query is its name. A function
//! that one of them does not know fails the query, it is never sent along.

use crate::journal::Journal;
use ballista_core::registry::BallistaFunctionRegistry;
use datafusion::arrow::array::{Array, ArrayRef, BinaryBuilder, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionConfig;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use xrays::resize;

/// This process's name, for `executor()` and the journal.
static NAME: OnceLock<String> = OnceLock::new();
static JOURNAL: OnceLock<Journal> = OnceLock::new();

/// Says who this process is and where it notes the files that it works on. Once, at its start.
pub fn introduce(name: &str, journal: Option<Journal>) {
    let _ = NAME.set(name.to_owned());
    if let Some(journal) = journal {
        let _ = JOURNAL.set(journal);
    }
}

/// Adds the workbook's functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_udf(Arc::new(ScalarUDF::from(Shrink::new())))?;
    registry.register_udf(Arc::new(ScalarUDF::from(Executor::new())))?;
    Ok(())
}

/// DataFusion with the workbook's functions.
pub fn session_state(config: SessionConfig) -> Result<SessionState> {
    let mut state = SessionStateBuilder::new().with_config(config).with_default_features().build();
    register(&mut state)?;
    Ok(state)
}

/// The functions that an executor knows: DataFusion's own and the workbook's.
pub fn registry() -> Result<BallistaFunctionRegistry> {
    Ok(BallistaFunctionRegistry::from(&session_state(SessionConfig::new())?))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shrink {
    signature: Signature,
}

impl Shrink {
    fn new() -> Self {
        Shrink {
            // Volatile, because the file may change, and so that a plan never computes it early.
            signature: Signature::string(1, Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for Shrink {
    fn name(&self) -> &str {
        "shrink"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [paths] = arguments.args.as_slice() else {
            return exec_err!("shrink takes one path");
        };
        // SQL's strings come in several layouts; one is enough here.
        let paths = cast(&paths.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let Some(paths) = paths.as_any().downcast_ref::<StringArray>() else {
            return exec_err!("shrink takes a path as text");
        };
        let mut images = BinaryBuilder::with_capacity(paths.len(), paths.len() * 4096);
        for path in paths {
            match path {
                Some(path) => images.append_value(shrink(path)?),
                None => images.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(images.finish()) as ArrayRef))
    }
}

fn shrink(path: &str) -> Result<Vec<u8>> {
    let work = || {
        resize(Path::new(path))
            .map(|image| image.pixels().to_vec())
            .map_err(|error| DataFusionError::Execution(error.to_string()))
    };
    match JOURNAL.get() {
        Some(journal) => journal.note(path, work),
        None => work(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Executor {
    signature: Signature,
}

impl Executor {
    fn new() -> Self {
        Executor {
            // Volatile: a planner that computed it once would name itself.
            signature: Signature::nullary(Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for Executor {
    fn name(&self) -> &str {
        "executor"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = NAME.get().map_or("this process", String::as_str);
        let names = StringArray::from_iter_values(std::iter::repeat_n(name, arguments.number_rows));
        Ok(ColumnarValue::Array(Arc::new(names)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workbooks_functions_are_registered_beside_datafusions_own() {
        let state = session_state(SessionConfig::new()).unwrap();
        for name in ["shrink", "executor", "lower"] {
            assert!(state.udf(name).is_ok(), "{name}");
        }
        assert!(state.udf("no_such_function").is_err());
        registry().unwrap();
    }

    #[test]
    fn a_picture_that_cannot_be_read_is_an_error_that_names_it() {
        let error = shrink("/no/such/file.jpeg").unwrap_err().to_string();
        assert!(error.contains("/no/such/file.jpeg"), "{error}");
    }

    #[test]
    fn a_picture_is_64_by_64_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let shade = |x: u32, y: u32| image::Luma([(x + y) as u8]);
        image::GrayImage::from_fn(128, 96, shade).save(&path).unwrap();
        assert_eq!(shrink(path.to_str().unwrap()).unwrap().len(), 64 * 64);
    }
}
