//! What a node with a valid certificate may call. The node is whom the certificate names, whatever a message
//! says.

use std::sync::Arc;

use keelson_core::fleet::Fleet;
use keelson_protocol::v1::node_server::Node;
use keelson_protocol::v1::{
    AgentMessage, GatewayMessage, GetAgentRequest, PutOutputRequest, PutOutputResponse, UnenrolRequest,
    UnenrolResponse,
};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::agent_program::Download;
use crate::attach::attach;
use crate::output::put_output;
use crate::peer::valid_node;
use crate::shared::{Shared, refused};

/// See the module.
pub(crate) struct NodeService<F> {
    pub shared: Arc<Shared<F>>,
}

#[tonic::async_trait]
impl<F: Fleet> Node for NodeService<F> {
    type GetAgentStream = Download;
    type AttachStream = ReceiverStream<Result<GatewayMessage, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let node = valid_node(request.extensions())?;
        Ok(Response::new(attach(Arc::clone(&self.shared), node, request.into_inner())))
    }

    async fn put_output(
        &self,
        request: Request<PutOutputRequest>,
    ) -> Result<Response<PutOutputResponse>, Status> {
        let node = valid_node(request.extensions())?;
        put_output(&self.shared, &node, request.into_inner()).await.map(Response::new)
    }

    async fn unenrol(&self, request: Request<UnenrolRequest>) -> Result<Response<UnenrolResponse>, Status> {
        let node = valid_node(request.extensions())?;
        let answer = timeout(self.shared.settings.hello_limit, self.shared.fleet.unenrol(&node)).await;
        let answer = answer.map_err(|_| Status::unavailable("the control plane did not answer in time"))?;
        answer.map_err(|refusal| refused(&refusal))?;
        tracing::info!(node = node.name, namespace = node.namespace, "a node left");
        Ok(Response::new(UnenrolResponse {}))
    }

    async fn get_agent(
        &self,
        request: Request<GetAgentRequest>,
    ) -> Result<Response<Self::GetAgentStream>, Status> {
        let node = valid_node(request.extensions())?;
        let download = self.shared.agents.download(&node, &request.into_inner().architecture).await?;
        self.shared.metrics.agent_downloads.increment();
        tracing::debug!(node = node.name, namespace = node.namespace, "handing out the agent's program");
        Ok(Response::new(download))
    }
}
