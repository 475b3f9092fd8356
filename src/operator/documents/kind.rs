//! Types of documents: the API's words for those of `keelson_document`, and what is said where one cannot be run.

use keelson_api::DocumentType as ApiType;
use keelson_document::DocumentType;

/// The same type, as documents are read by it.
pub fn document_type(kind: ApiType) -> DocumentType {
    match kind {
        ApiType::Command => DocumentType::Command,
        ApiType::Automation => DocumentType::Automation,
        ApiType::AutomationChangeTemplate => DocumentType::AutomationChangeTemplate,
        ApiType::Session => DocumentType::Session,
        ApiType::Policy => DocumentType::Policy,
        ApiType::Package => DocumentType::Package,
        ApiType::ApplicationConfiguration => DocumentType::ApplicationConfiguration,
        ApiType::ApplicationConfigurationSchema => DocumentType::ApplicationConfigurationSchema,
        ApiType::DeploymentStrategy => DocumentType::DeploymentStrategy,
        ApiType::ChangeCalendar => DocumentType::ChangeCalendar,
        ApiType::CloudFormation => DocumentType::CloudFormation,
        ApiType::ConformancePackTemplate => DocumentType::ConformancePackTemplate,
        ApiType::QuickSetup => DocumentType::QuickSetup,
        ApiType::ProblemAnalysis => DocumentType::ProblemAnalysis,
        ApiType::ProblemAnalysisTemplate => DocumentType::ProblemAnalysisTemplate,
        ApiType::ManualApprovalPolicy => DocumentType::ManualApprovalPolicy,
        ApiType::AutoApprovalPolicy => DocumentType::AutoApprovalPolicy,
    }
}

/// Why a Command or Association cannot run a document of this type; `None` where it can.
pub fn not_runnable(name: &str, kind: DocumentType) -> Option<String> {
    let what = match kind {
        DocumentType::Command => return None,
        DocumentType::Automation | DocumentType::AutomationChangeTemplate => {
            "a runbook for an automation, which calls services and nodes from outside"
        }
        DocumentType::Session => "the settings of interactive sessions",
        DocumentType::Policy => "a policy of what inventory is collected",
        DocumentType::Package => "a software package, which the step aws:configurePackage installs",
        DocumentType::ChangeCalendar => "a calendar, which says when changes are allowed",
        DocumentType::ApplicationConfiguration
        | DocumentType::ApplicationConfigurationSchema
        | DocumentType::DeploymentStrategy => "configuration that an application fetches",
        DocumentType::CloudFormation | DocumentType::ConformancePackTemplate | DocumentType::QuickSetup => {
            "a template for an AWS account"
        }
        DocumentType::ProblemAnalysis | DocumentType::ProblemAnalysisTemplate => "an analysis of an incident",
        DocumentType::ManualApprovalPolicy | DocumentType::AutoApprovalPolicy => {
            "a policy of who gets access"
        }
    };
    Some(format!(
        "spec.documentName: Document {name:?} is of type {kind}: {what}. Commands and Associations run documents of \
         type Command; those of type {kind} are only kept in this version of Keelson"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_has_the_types_that_documents_have_under_the_same_names() {
        let mut known = 0;
        for kind in DocumentType::ALL {
            let api: ApiType = serde_json::from_value(kind.as_str().into()).unwrap();
            assert_eq!(document_type(api), kind);
            known += 1;
        }
        assert_eq!(known, 17);
    }

    #[test]
    fn a_type_that_does_not_run_on_nodes_is_told_with_what_does() {
        assert_eq!(not_runnable("hello", DocumentType::Command), None);
        let said = not_runnable("restart", DocumentType::Automation).unwrap();
        assert!(
            said.starts_with("spec.documentName: Document \"restart\" is of type Automation: a runbook"),
            "{said}"
        );
        assert!(said.contains("documents of type Command"), "{said}");
    }
}
