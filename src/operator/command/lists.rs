//! Frozen targets in the API server: written once, read once.

use k8s_openapi::api::core::v1::ConfigMap;
use keelson_api::Command;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use super::freeze::{self, Frozen};
use crate::error::Error;
use crate::patch::is_conflict;

/// Writes what was frozen, and answers with what counts: an attempt before this one may have been first.
pub async fn write(client: &Client, command: &Command, frozen: Frozen) -> Result<Frozen, Error> {
    let api = api(client, command);
    let maps = freeze::encode(command, &frozen)?;
    for map in &maps {
        match api.create(&PostParams::default(), map).await {
            Ok(_) => {}
            Err(error) if is_conflict(&error) => {
                // A further list of this name has this content; the first one may have been frozen otherwise.
                if map.name_any() == freeze::first_list(command)
                    && let Some(earlier) = read(client, command).await?
                {
                    return Ok(earlier);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut lists: Vec<_> = maps.iter().map(ResourceExt::name_any).collect();
    lists.rotate_right(1); // the first one was written last
    Ok(Frozen { lists, ..frozen })
}

/// What was frozen, unless a part of it is gone.
pub async fn read(client: &Client, command: &Command) -> Result<Option<Frozen>, Error> {
    let api = api(client, command);
    let Some(first) = api.get_opt(&freeze::first_list(command)).await? else { return Ok(None) };
    let mut further = Vec::new();
    for name in freeze::further_lists(&first).unwrap_or_default() {
        let Some(map) = api.get_opt(&name).await? else { return Ok(None) };
        further.push(map);
    }
    Ok(freeze::decode(&first, &further))
}

fn api(client: &Client, command: &Command) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &command.namespace().unwrap_or_default())
}
