// The client that the suite starts: `perstack run` with a model that plays a script. Servers elsewhere are reached over TLS only, so
// this stands between. The environment says where the program is, and the certificate of its host.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { PERSTACK, CERTIFICATES, HOME, MCP_CONFORMANCE_SCENARIO: scenario } = process.env;
const target = new URL(process.argv[2]);
const file = (name) => readFileSync(join(CERTIFICATES, name));

const server = https.createServer({ key: file("key.pem"), cert: file("certificate.pem") }, (request, response) => {
  const { method, url: path } = request;
  const headers = { ...request.headers, host: target.host };
  const asked = http.request({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const call = {
  tools_call: ["add_numbers", { a: 5, b: 3 }],
  "sse-retry": ["test_reconnection", {}],
  "elicitation-sep1034-client-defaults": ["test_client_elicitation_defaults", {}],
}[scenario];
const endpoint = `https://conformance.example.com:${server.address().port}${target.pathname}`;
const calls = call ? `toolCalls = [{ name = '${call[0]}', arguments = '${JSON.stringify(call[1])}' }]\n[[experts.user.replies]]\n` : "";

const folder = mkdtempSync(join(tmpdir(), "conformance-"));
const write = (name, text) => writeFileSync(join(folder, name), text);
write("perstack.toml", `[experts.user]\ninstruction = 'x'\n[experts.user.skills.suite]\ntype = 'mcpSseSkill'\nendpoint = '${endpoint}'\n`);
write("script.toml", `[[experts.user.replies]]\n${calls}text = 'done'\n`);
const hosts = "hosts = { 'conformance.example.com' = ['127.0.0.1'] }";
write("policy.toml", `[network]\ncertificates = '${join(CERTIFICATES, "authority.pem")}'\n${hosts}\n`);
const options = ["--provider", "scripted", "--model", "script.toml", "--policy", "policy.toml"];
// Where the user is asked, there is one: they answer, and leave every field as it is.
const asks = scenario.startsWith("elicitation");
const stdio = [asks ? "pipe" : "ignore", "inherit", "inherit"];
const run = spawn(PERSTACK, [asks ? "start" : "run", "user", "query", ...options], { cwd: folder, env: { HOME }, stdio });
if (asks) run.stdin.write("answer\n" + "\n".repeat(5));
run.on("close", (code) => {
  rmSync(folder, { recursive: true });
  process.exit(code ?? 1);
});
