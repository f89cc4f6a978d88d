//! `towpath render`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;
use towpath_template::input::{merge, parse_assignments, parse_labels, parse_param_file};
use towpath_template::{OsRandom, Request, Template, list, process, yaml};

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;

/// The largest template or parameter file that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// Renders an OpenShift template, as `oc process --local` does with the same flags.
///
/// Generated values are drawn anew each time. Differences to `oc` are in its favour only: ranges in generated values include
/// their upper end, large integers keep all their digits, and what makes `oc` crash is an error here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath render -f deploy/service.yml -p IMAGE_TAG=5f8f0e1
  towpath render -f deploy/service.yml --param-file stage.env -l team=web -o yaml
  cat service.yml | towpath render -f - --parameters")]
pub(crate) struct Args {
    /// The template; `-` reads it from standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    filename: Option<PathBuf>,
    /// A parameter's value; may be given several times.
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// A file of NAME=VALUE lines; may be given several times. What -p says wins. `-` reads it from standard input.
    #[arg(long = "param-file", value_name = "FILE")]
    param_files: Vec<PathBuf>,
    /// Labels for every object; they win over the template's own.
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    labels: Option<String>,
    /// Passes over values for parameters that the template does not declare.
    #[arg(long)]
    ignore_unknown_parameters: bool,
    /// `json` for a v1 List, `yaml` for the same, `name` for one object's name per line.
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "json", hide_possible_values = true)]
    output: Output,
    /// Lists the template's parameters, and renders nothing.
    #[arg(long, conflicts_with_all = ["params", "param_files", "labels", "values"])]
    parameters: bool,
    /// Accepted, since `oc` has it: nothing but files is ever read.
    #[arg(long)]
    local: bool,
    /// Parameters' values, as with -p.
    #[arg(value_name = "NAME=VALUE")]
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Json,
    Yaml,
    Name,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let usage = |message: String, help: &str| Failure::new(Exit::Usage, message).help(help);
    let Some(file) = &args.filename else {
        return Err(usage("no template is given".to_owned(), "name one with -f FILE, or read standard input with -f -"));
    };
    if let Some(name) = args.values.iter().find(|value| !value.contains('=')) {
        let message = format!("{name:?} is no NAME=VALUE, and a template that is stored in a cluster cannot be read from here");
        return Err(usage(message, "name a template's file with -f FILE"));
    }
    let template = Template::parse(&read(file)?).map_err(|error| {
        Failure::of(Exit::Failed, &error).help(format!("correct {}; it must hold a template.openshift.io/v1 Template", file.display()))
    })?;
    warn(context, template.warnings());
    if args.parameters {
        context.out.print(&parameters(&template))?;
        return Ok(Exit::Ok);
    }
    let (params, labels) = (given(context, args)?, labels(args)?);
    let request = Request { params: &params, labels: &labels, ignore_unknown: args.ignore_unknown_parameters };
    let processed = process(&template, &request, &mut OsRandom).map_err(|error| {
        Failure::of(Exit::Failed, &error)
            .help(format!("correct {0} or the values; `towpath render -f {0} --parameters` lists them", file.display()))
    })?;
    warn(context, &processed.warnings);
    if let Some(message) = &processed.message {
        context.out.note(message);
    }
    let text = match args.output {
        Output::Name => processed.objects.iter().map(name).map(|name| name + "\n").collect(),
        Output::Yaml => yaml::to_yaml(&list(processed.objects)),
        Output::Json => serde_json::to_string_pretty(&list(processed.objects)).unwrap_or_default(),
    };
    context.out.print(&text)?;
    Ok(Exit::Ok)
}

fn warn(context: &Context, warnings: &[String]) {
    for warning in warnings {
        context.out.note(&format!("warning: {warning}"));
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(INPUT_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let failed = |why: String| {
        Failure::new(Exit::Failed, format!("cannot read {}: {why}", file.display()))
            .help("name a readable file of UTF-8 text, or - for standard input")
    };
    match read {
        Ok(bytes) if bytes as u64 > INPUT_BYTES_MAX => Err(failed(format!("it has more than {} MiB", INPUT_BYTES_MAX >> 20))),
        Ok(_) => Ok(text),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn given(context: &Context, args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let mut from_files = BTreeMap::new();
    for file in &args.param_files {
        let values = parse_param_file(&read(file)?)
            .map_err(|error| Failure::of(Exit::Failed, &error).help(format!("correct {}: one NAME=VALUE per line", file.display())))?;
        from_files.extend(values);
    }
    let texts: Vec<&String> = args.params.iter().chain(&args.values).collect();
    let assignments =
        parse_assignments(&texts).map_err(|error| Failure::of(Exit::Usage, &error).help("write each value once, as -p NAME=VALUE"))?;
    let given = merge(assignments, from_files);
    warn(context, &given.warnings);
    Ok(given.values)
}

fn labels(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let labels = args.labels.as_deref().map(parse_labels).transpose();
    Ok(labels.map_err(|error| Failure::of(Exit::Usage, &error).help("write labels as -l KEY=VALUE,KEY=VALUE"))?.unwrap_or_default())
}

/// One line per parameter, however long, as `oc` prints them.
fn parameters(template: &Template) -> String {
    let mut table = Table::new(&["NAME", "DESCRIPTION", "GENERATOR", "VALUE"]);
    for parameter in template.parameters() {
        // A generator takes the place of a value, so that is what stands in its column.
        let value = parameter.value.clone().filter(|value| !value.is_empty()).or_else(|| parameter.from.clone());
        table.row([
            parameter.name.clone(),
            parameter.description.clone().unwrap_or_default(),
            parameter.generate.clone().unwrap_or_default(),
            value.unwrap_or_default(),
        ]);
    }
    table.render(None)
}

/// `deployment.apps/web`, as `oc` names objects.
fn name(object: &Value) -> String {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("");
    let kind = text("/kind").to_lowercase();
    let group = text("/apiVersion").split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    format!("{kind}{group}/{}", text("/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_oc_names_them() {
        let object = |version: &str, kind: &str| serde_json::json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web"}});
        assert_eq!(name(&object("apps/v1", "Deployment")), "deployment.apps/web");
        assert_eq!(name(&object("v1", "ConfigMap")), "configmap/web");
    }
}
