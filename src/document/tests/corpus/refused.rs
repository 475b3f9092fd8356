//! The documents of the corpus that are refused, each looked at, with the reason why that is right.

/// Documents that are refused for one reason.
pub struct Refused {
    /// What their paths end with.
    pub paths: &'static [&'static str],
    /// What the first problem says.
    pub says: &'static str,
    /// Why that is right.
    pub because: &'static str,
}

pub const REFUSED: &[Refused] = &[
    Refused {
        paths: &["testdata/schemaVersion9999.json", "testdata/sampleMsgVersion9999_0.json"],
        says: "schemaVersion: version \"9999.0\" is not supported",
        because: "the agent's own tests of a version that does not exist",
    },
    Refused {
        paths: &[
            "docparser/testdata/sampleMessage.json",
            "rundocument/testdata/jsondoc.json",
            "rundocument/testdata/yamldoc.yaml",
            "runcommand/testdata/sampleMsg.json",
            "runcommand/testdata/sampleMsgReplacedParams.json",
        ],
        says: "\"Array\" is not a type",
        because: "parts of the agent's own tests, which do not look at types: AWS's API has no type Array",
    },
    Refused {
        paths: &[
            "automationdocuments/AWSQuickstart-ActiveDirectoryDS.yaml",
            "automationdocuments/AWSQuickstart-extendAD.yaml",
            "quickstart-microsoft-sql/templates/AWSQuickstart-MSSQL.yml",
        ],
        says: "unsupported tag `!Ref`",
        because: "a piece of a CloudFormation template: only CloudFormation knows what !Ref stands for",
    },
    Refused {
        paths: &[
            "automation-docs.yaml__RemoveConfigurationDoc.json",
            "automation-docs.yaml__SetupConfigurationDoc.json",
        ],
        says: "parameters.AutomationAssumeRole.default: a String needs a string as its default, found an object",
        because: "a piece of a CloudFormation template: the object is a function that CloudFormation replaces by a text",
    },
    Refused {
        paths: &["sql-dedicated-hosts.template__AWSQuickstartMSSQL.json"],
        says: "mainSteps[32].inputs.Choices[0].NextStep: there is no step \"SqlInstallBranch\"",
        because: "the step is called NodesSqlInstallBranch: the runbook breaks off at this choice",
    },
    Refused {
        paths: &["doc_source/change-templates-custom-editor.md__02.yaml"],
        says: "not valid JSON: control character",
        because: "strings broken over lines for the printed page: no JSON parser takes them",
    },
    Refused {
        paths: &["doc_source/distributor-working-with-packages-create.md__01.json"],
        says: "key \"another-platform\" is given twice",
        because: "a form to be filled in: of two equal keys one would be lost",
    },
    Refused {
        paths: &[
            "doc_source/documents-schemas-features.md__01.yaml",
            "doc_source/documents-schemas-features.md__02.json",
        ],
        says: "parameters[\"parameter 1\"]: name \"parameter 1\" is not allowed",
        because: "a form to be filled in: a parameter needs a type, and a name without blanks",
    },
    Refused {
        paths: &[
            "doc_source/documents-schemas-features.md__07.yaml",
            "doc_source/documents-schemas-features.md__08.json",
        ],
        says: "parameters.confirmed.allowedValues[0]: expected a string, found the boolean true",
        because: "the agent takes texts only among allowedValues and fails a document that has others",
    },
    Refused {
        paths: &["doc_source/documents-schemas-features.md__15.yaml"],
        says: "not valid JSON: expected `:`",
        because: "a form to be filled in, with keys that have no values",
    },
    Refused {
        paths: &["doc_source/documents-schemas-features.md__17.json"],
        says: "mainSteps[0].action: unknown action \"action-name\"",
        because: "a form to be filled in",
    },
    Refused {
        paths: &[
            "doc_source/session-manager-schema.md__05.yaml",
            "doc_source/session-manager-schema.md__06.json",
        ],
        says: "parameters.paramExample.type: \"string\" is not a type (did you mean \"String\"?)",
        because: "AWS's API spells the type String",
    },
    Refused {
        paths: &[
            "src/templates/AutomationDocumentForTest.yml",
            "src/templates/AutomationDocumentForTestNoRollback.yml",
        ],
        says: "parameters[\"${alarmPrefix}AlarmName\"]: name \"${alarmPrefix}AlarmName\" is not allowed",
        because: "templates of a generator of documents, with its own placeholders",
    },
    Refused {
        paths: &[
            "docdb/sop/scaling_down/2020-09-21/Documents/AutomationDocument.yml",
            "docdb/sop/scaling_up/2020-09-21/Documents/AutomationDocument.yml",
            "elasticache/test/failover/2020-10-26/Documents/AutomationDocument.yml",
            "elasticache/test/reboot_cluster/2020-10-26/Documents/AutomationDocument.yml",
        ],
        says: "mainSteps[1].action: is missing",
        because: "sketches: the step is a comment that says what is to be written there",
    },
    Refused {
        paths: &["dynamodb/sop/restore_to_point_in_time/2020-04-01/Documents/AutomationDocument.yml"],
        says: "key \"nextStep\" is given twice",
        because: "the step names two next steps, and one of them would be lost",
    },
];
