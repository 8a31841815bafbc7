// Between the suite and `perstack mcp --http PORT`: the suite has no token to send. Prints the port at which it listens.
import http from "node:http";

const [, , port, token] = process.argv;
const server = http.createServer((request, response) => {
  const own = `:${server.address().port}`;
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  for (const name of ["host", "origin"]) {
    if (headers[name]) headers[name] = headers[name].replace(own, `:${port}`);
  }
  const { method, url: path } = request;
  const asked = http.request({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
});
server.listen(0, () => console.log(server.address().port));
