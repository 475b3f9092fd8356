//! Frozen targets in the API server: written once, read once.

use k8s_openapi::api::core::v1::ConfigMap;
use keelson_api::Command;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use super::freeze::{self, Frozen};
use super::validate::Refusal;
use crate::error::Error;
use crate::patch::is_conflict;

/// Writes what was frozen, and answers with what counts: an attempt before this one may have been first. Where
/// somebody else holds a name, nothing can be frozen.
pub async fn write(
    client: &Client,
    command: &Command,
    frozen: Frozen,
) -> Result<Result<Frozen, Refusal>, Error> {
    let api = api(client, command);
    let maps = freeze::encode(command, &frozen)?;
    for map in &maps {
        match api.create(&PostParams::default(), map).await {
            Ok(_) => {}
            Err(error) if is_conflict(&error) => match earlier(&api, command, map).await? {
                Earlier::Same => {}
                Earlier::Other(earlier) => return Ok(Ok(*earlier)),
                Earlier::Strange => return Ok(Err(taken(&map.name_any()))),
                // It has gone meanwhile: the next attempt finds the name free.
                Earlier::Gone => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    let mut lists: Vec<_> = maps.iter().map(ResourceExt::name_any).collect();
    lists.rotate_right(1); // the first one was written last
    Ok(Ok(Frozen { lists, ..frozen }))
}

/// What was frozen, unless a part of it is gone or not this Command's.
pub async fn read(client: &Client, command: &Command) -> Result<Option<Frozen>, Error> {
    let api = api(client, command);
    let Some(first) = own(&api, command, &freeze::first_list(command)).await? else { return Ok(None) };
    let mut further = Vec::new();
    for name in freeze::further_lists(&first).unwrap_or_default() {
        let Some(map) = own(&api, command, &name).await? else { return Ok(None) };
        further.push(map);
    }
    Ok(freeze::decode(&first, &further))
}

/// What is there under a name that was to be written.
enum Earlier {
    /// Exactly that.
    Same,
    /// What an earlier attempt froze.
    Other(Box<Frozen>),
    /// Something that this Command did not write, or not all of it.
    Strange,
    /// Nothing any more.
    Gone,
}

async fn earlier(api: &Api<ConfigMap>, command: &Command, map: &ConfigMap) -> Result<Earlier, Error> {
    let Some(there) = api.get_opt(&map.name_any()).await? else { return Ok(Earlier::Gone) };
    if !freeze::is_of(command, &there) {
        return Ok(Earlier::Strange);
    }
    if there.data == map.data {
        return Ok(Earlier::Same);
    }
    if map.name_any() != freeze::first_list(command) {
        return Ok(Earlier::Strange); // the name of a further list follows from its content
    }
    let whole = read(&api.clone().into_client(), command).await?;
    Ok(whole.map_or(Earlier::Strange, |frozen| Earlier::Other(Box::new(frozen))))
}

fn taken(name: &str) -> Refusal {
    Refusal {
        reason: "TargetListTaken",
        message: format!(
            "ConfigMap {name:?} is where the targets are kept, and somebody else made it: delete it, and create the Command again"
        ),
    }
}

/// A list of this Command's.
async fn own(api: &Api<ConfigMap>, command: &Command, name: &str) -> Result<Option<ConfigMap>, Error> {
    let map = api.get_opt(name).await?;
    let own = map.as_ref().is_some_and(|map| freeze::is_of(command, map));
    if map.is_some() && !own {
        tracing::warn!(command = command.name_any(), config_map = name, "a list of targets is not believed");
    }
    Ok(map.filter(|_| own))
}

fn api(client: &Client, command: &Command) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &command.namespace().unwrap_or_default())
}
