import { skill, t, tool } from "perstack";

const greet = tool(
  { name: "greet", description: "Says hello.", readOnly: true, input: { name: t.string("Who is greeted") } },
  ({ name }) => `Hello, ${name}!`,
);

export default skill({ tools: [greet] });
