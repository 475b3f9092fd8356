//! Automation runbooks, schema version 0.3.

use serde_json::Value;

use crate::automation::Automation;
use crate::document_type::DocumentType;
use crate::errors::{Errors, Problems};
use crate::fields::Fields;

use super::{as_object, version};

pub(crate) fn automation(document_type: DocumentType, source: Value) -> Result<Automation, Errors> {
    let object = as_object(&source)?;
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &["schemaVersion", "description", "assumeRole"], &mut problems);
    version::one_of(&fields, &["0.3"], &mut problems);
    let description = fields.text("description", &mut problems).map(str::to_owned);
    let assume_role = fields.text("assumeRole", &mut problems).map(str::to_owned);
    let automation = Automation {
        document_type,
        description,
        assume_role,
        parameters: Vec::new(),
        steps: Vec::new(),
        source: Value::Null,
    };
    problems.finish(Some(automation)).map(|automation| Automation { source, ..automation })
}
