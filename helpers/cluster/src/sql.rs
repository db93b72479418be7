//! SQL in, a table out: on a cluster, or with DataFusion in this process alone.

use crate::functions::{introduce, register, session_state};
use anyhow::{Context, Result, bail};
use ballista::prelude::{SessionConfigExt, SessionContextExt};
use ballista_core::config::BALLISTA_ADAPTIVE_PLANNER_ENABLED;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::json::writer::{JsonArray, WriterBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::DFParser;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Arguments {
    /// The scheduler's port; without it, DataFusion runs in this process
    #[arg(long)]
    scheduler_port: Option<u16>,
    /// Into how many partitions a stage is cut
    #[arg(long, default_value_t = 16)]
    partitions: usize,
    /// How often the last statement runs
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Statements, apart by `;`; the table is that of the last one
    sql: String,
}

/// Runs the statements and prints `{"columns": […], "rows": [[…]…], "seconds": […]}`: a time for
/// each run of the last statement, from its text to the last row of its result.
pub async fn run(arguments: Arguments) -> Result<()> {
    introduce("local", None);
    let config = SessionConfig::new_with_ballista()
        .with_target_partitions(arguments.partitions.max(1))
        // Ballista 55's adaptive planner never finishes a job whose executor is lost after its first
        // stage ("Can't find active stage to update stage outputs"); the static one does.
        .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false);
    let state = session_state(config)?;
    let mut context = match arguments.scheduler_port {
        None => SessionContext::new_with_state(state),
        Some(port) => {
            SessionContext::remote_with_state(&format!("df://127.0.0.1:{port}"), state).await?
        }
    };
    // Again, because a context for a cluster keeps none of the state's functions.
    register(&mut context)?;
    let mut statements = DFParser::parse_sql(&arguments.sql)?;
    let Some(last) = statements.pop_back() else {
        bail!("there is no statement in “{}”", arguments.sql);
    };
    for statement in statements {
        let plan = context.state().statement_to_plan(statement).await?;
        context.execute_logical_plan(plan).await?.collect().await?;
    }
    let mut seconds = Vec::new();
    let (columns, batches) = loop {
        let start = Instant::now();
        let plan = context.state().statement_to_plan(last.clone()).await?;
        let frame = context.execute_logical_plan(plan).await?;
        let fields = frame.schema().fields().iter();
        let columns: Vec<String> = fields.map(|field| field.name().clone()).collect();
        let batches = frame.collect().await?;
        seconds.push(start.elapsed().as_secs_f64());
        if seconds.len() >= arguments.runs {
            break (columns, batches);
        }
    };
    let rows = rows(&batches)?;
    println!("{}", json!({ "columns": columns, "rows": rows, "seconds": seconds }));
    Ok(())
}

/// Each row as a list, in the order of the columns; bytes as hexadecimal text.
///
/// The writer gives objects, in which a name occurs once, but a result may have two columns of one
/// name (`SELECT a.station, b.station`). So the columns are numbered meanwhile.
fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>> {
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    for batch in batches {
        writer.write(&numbered(batch)?)?;
    }
    writer.finish()?;
    let text = writer.into_inner();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let objects: Vec<Map<String, Value>> =
        serde_json::from_slice(&text).context("the result is not what was expected")?;
    let count = batches.first().map_or(0, RecordBatch::num_columns);
    let row = |mut object: Map<String, Value>| -> Vec<Value> {
        let cell = |place: usize| object.remove(&place.to_string()).unwrap_or(Value::Null);
        (0..count).map(cell).collect()
    };
    Ok(objects.into_iter().map(row).collect())
}

/// The same table, with the columns' places as their names.
fn numbered(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let fields = schema.fields().iter().enumerate();
    let fields: Vec<Field> =
        fields.map(|(place, field)| field.as_ref().clone().with_name(place.to_string())).collect();
    // A table without columns still has rows.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        batch.columns().to_vec(),
        &options,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, UInt64Array};
    use datafusion::arrow::datatypes::DataType;

    #[test]
    fn columns_of_one_name_stay_apart_and_values_stay_what_they_are() {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let schema = Schema::new(vec![
            field("station", DataType::Utf8),
            field("station", DataType::Utf8),
            field("0", DataType::UInt64),
            field("n", DataType::Int64),
            field("x", DataType::Float64),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("S1"), None])),
            Arc::new(StringArray::from(vec!["S2", "S3"])),
            Arc::new(UInt64Array::from(vec![u64::MAX, 0])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
            Arc::new(Float64Array::from(vec![0.1, 2.0])),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let right = [
            vec![json!("S1"), json!("S2"), json!(u64::MAX), json!(i64::MIN), json!(0.1)],
            vec![json!(null), json!("S3"), json!(0), json!(null), json!(2.0)],
        ];
        assert_eq!(rows(std::slice::from_ref(&batch)).unwrap(), right);
        assert_eq!(rows(&[batch.clone(), batch.slice(1, 1)]).unwrap().len(), 3);
        assert_eq!(rows(&[batch.slice(0, 0)]).unwrap().len(), 0);
        assert_eq!(rows(&[]).unwrap().len(), 0);
    }

    /// The functions and the rows, as a query in this process has them.
    #[tokio::test]
    async fn a_query_in_this_process_knows_the_workbooks_functions() {
        let state = session_state(SessionConfig::new()).unwrap();
        let context = SessionContext::new_with_state(state);
        let text = "SELECT executor() AS e, 1 AS n UNION ALL SELECT executor(), 2 ORDER BY n";
        let batches = context.sql(text).await.unwrap().collect().await.unwrap();
        let found = rows(&batches).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|row| row[0].is_string()), "{found:?}");
        assert_eq!([&found[0][1], &found[1][1]], [&json!(1), &json!(2)]);
        let nothing = context.sql("SELECT 1 AS one WHERE false").await.unwrap();
        assert!(rows(&nothing.collect().await.unwrap()).unwrap().is_empty());
        assert!(context.sql("SELECT no_such_function(1)").await.is_err());
    }
}
