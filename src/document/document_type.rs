//! The kinds of documents that AWS has, whether or not nodes run them.

use std::fmt;
use std::str::FromStr;

/// What a document is for. A document does not say it itself; whoever keeps it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DocumentType {
    /// What nodes run.
    #[default]
    Command,
    /// What is kept up on nodes: inventory.
    Policy,
    /// A runbook of a control plane's own actions.
    Automation,
    /// How an interactive session is held.
    Session,
    /// The manifest of a software package.
    Package,
    /// Configuration data of an application, of any form.
    ApplicationConfiguration,
    /// What such data has to keep to.
    ApplicationConfigurationSchema,
    /// How such data is rolled out.
    DeploymentStrategy,
    /// When changes are allowed, as an iCalendar.
    ChangeCalendar,
    /// A runbook with the approvals it needs.
    AutomationChangeTemplate,
    /// The analysis of an incident.
    ProblemAnalysis,
    /// The form of such analyses.
    ProblemAnalysisTemplate,
    /// A `CloudFormation` template.
    CloudFormation,
    /// A template of a conformance pack of AWS Config.
    ConformancePackTemplate,
    /// A set-up that AWS applies to many accounts.
    QuickSetup,
    /// Who approves access to nodes.
    ManualApprovalPolicy,
    /// Which access to nodes needs no approval, in a language of its own.
    AutoApprovalPolicy,
}

/// A name that is no document type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a document type")]
pub struct UnknownDocumentType(String);

impl DocumentType {
    /// Every type.
    pub const ALL: [Self; 17] = [
        Self::Command,
        Self::Policy,
        Self::Automation,
        Self::Session,
        Self::Package,
        Self::ApplicationConfiguration,
        Self::ApplicationConfigurationSchema,
        Self::DeploymentStrategy,
        Self::ChangeCalendar,
        Self::AutomationChangeTemplate,
        Self::ProblemAnalysis,
        Self::ProblemAnalysisTemplate,
        Self::CloudFormation,
        Self::ConformancePackTemplate,
        Self::QuickSetup,
        Self::ManualApprovalPolicy,
        Self::AutoApprovalPolicy,
    ];

    /// The type as AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "Command",
            Self::Policy => "Policy",
            Self::Automation => "Automation",
            Self::Session => "Session",
            Self::Package => "Package",
            Self::ApplicationConfiguration => "ApplicationConfiguration",
            Self::ApplicationConfigurationSchema => "ApplicationConfigurationSchema",
            Self::DeploymentStrategy => "DeploymentStrategy",
            Self::ChangeCalendar => "ChangeCalendar",
            Self::AutomationChangeTemplate => "Automation.ChangeTemplate",
            Self::ProblemAnalysis => "ProblemAnalysis",
            Self::ProblemAnalysisTemplate => "ProblemAnalysisTemplate",
            Self::CloudFormation => "CloudFormation",
            Self::ConformancePackTemplate => "ConformancePackTemplate",
            Self::QuickSetup => "QuickSetup",
            Self::ManualApprovalPolicy => "ManualApprovalPolicy",
            Self::AutoApprovalPolicy => "AutoApprovalPolicy",
        }
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for DocumentType {
    type Err = UnknownDocumentType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| UnknownDocumentType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_that_aws_gives_them() {
        assert_eq!("Automation.ChangeTemplate".parse(), Ok(DocumentType::AutomationChangeTemplate));
        for kind in DocumentType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(
            "command".parse::<DocumentType>().unwrap_err().to_string(),
            "\"command\" is not a document type"
        );
    }
}
