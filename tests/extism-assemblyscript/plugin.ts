// A plugin in AssemblyScript, made with its official PDK.

import { Config, Host, Var } from '@extism/as-pdk';

function abort(message: string | null, file: string | null, line: u32, column: u32): void {}

export function describe(): i32 {
  Host.outputString(
    '{"tools": [{"name": "shout", "description": "Says it loudly", "inputSchema": {"type": "object"}}]}',
  );
  return 0;
}

export function call(): i32 {
  const input = Host.inputString();
  Var.set('input', Uint8Array.wrap(String.UTF8.encode(input)));
  const kept = Var.get('input');
  const begin = input.indexOf('"text":"') + 8;
  const text = kept == null ? '' : String.UTF8.decode(kept.buffer).substring(begin, input.indexOf('"', begin));
  const units = Config.get('units');
  const said = text.toUpperCase() + ' ' + (units == null ? 'none' : units);
  Host.outputString('{"content": [{"type": "text", "text": "' + said + '"}]}');
  return 0;
}
