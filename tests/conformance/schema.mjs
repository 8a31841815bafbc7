// A native MCP server with one tool, whose schema has to come through unchanged.
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const server = new Server({ name: "schema", version: "1" }, { capabilities: { tools: {} } });
const address = { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } };
const inputSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address },
  properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
  additionalProperties: false,
};
const tool = { name: "json_schema_2020_12_tool", description: "Has a schema of many words.", inputSchema };
server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [tool] }));
await server.connect(new StdioServerTransport());
