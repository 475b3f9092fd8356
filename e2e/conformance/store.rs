//! Documents as a case finds them in the cluster: its own, and those that it calls.

use std::time::Duration;

use keelson_api::{Document, condition};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use crate::wait::eventually;

const MANAGER: &str = "keelson-conformance";
const JUDGED_TIMEOUT: Duration = Duration::from_secs(20);
const GONE_TIMEOUT: Duration = Duration::from_secs(20);

/// The Documents of the namespace `default`.
pub struct Store {
    documents: Api<Document>,
}

impl Store {
    /// Those of a cluster.
    pub fn of(client: Client) -> Self {
        Self { documents: Api::namespaced(client, "default") }
    }

    /// Makes a Document, or the next version of one, and waits until it is judged; the reason if it is not accepted.
    pub async fn put(&self, name: &str, content: &Value) -> anyhow::Result<Option<String>> {
        let document = json!({
            "apiVersion": "keelson.dev/v1alpha1",
            "kind": "Document",
            "metadata": { "name": name },
            "spec": { "content": content },
        });
        let parameters = PatchParams::apply(MANAGER).force();
        let applied = self.documents.patch(name, &parameters, &Patch::Apply(&document)).await;
        if let Some(refusal) = refusal_of(applied)? {
            return Ok(Some(refusal));
        }
        eventually(JUDGED_TIMEOUT, &format!("Document {name} to be judged"), || async {
            let document = self.documents.get(name).await?;
            let status = document.status.clone().unwrap_or_default();
            if status.observed_generation != document.metadata.generation {
                return Ok(None);
            }
            let stalled = condition::get(&status.conditions, condition::STALLED);
            Ok(match stalled {
                Some(stalled) if stalled.status == "True" => Some(Some(stalled.message.clone())),
                _ => condition::is_true(&status.conditions, condition::READY).then_some(None),
            })
        })
        .await
    }

    /// Makes the documents that a case calls. What an ARN names comes first: here it is a version of the same Document.
    pub async fn put_called(&self, documents: &Map<String, Value>) -> anyhow::Result<()> {
        let mut names: Vec<&String> = documents.keys().collect();
        names.sort_by_key(|name| !name.starts_with("arn:"));
        for name in names {
            // One that is not accepted is not there, which is what a case may be about.
            self.put(&object_name(name), &documents[name]).await?;
        }
        Ok(())
    }

    /// Takes them away again, so that the next case finds only its own.
    pub async fn remove(&self, documents: &Map<String, Value>) -> anyhow::Result<()> {
        for name in documents.keys().map(|name| object_name(name)) {
            if refusal_of(self.documents.delete(&name, &DeleteParams::default()).await)?.is_some() {
                continue;
            }
            eventually(GONE_TIMEOUT, &format!("Document {name} to go"), || async {
                Ok(self.documents.get_opt(&name).await?.is_none().then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

/// What the Document that a document name means is called: without the rest of an ARN, in lower case.
pub fn object_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name).to_lowercase().replace('_', "-")
}

/// The API server's reason if it refused.
pub fn refusal_of<T>(answer: kube::Result<T>) -> anyhow::Result<Option<String>> {
    match answer {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.is_invalid() || matches!(status.code, 400 | 404) => {
            Ok(Some(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_arn_means_one_document() {
        let names =
            ["OracleChild", "OracleChild:2", "arn:aws:ssm:us-east-1:123456789012:document/OracleChild"];
        assert_eq!(names.map(object_name), ["oraclechild"; 3]);
        assert_eq!(object_name("AWS-Run_Shell"), "aws-run-shell");
    }
}
