// The host behind the contract: what the component was linked with, or the double of `perstack/testing`.

let host;

/** Makes this the host of everything that the SDK does. */
export function install(interfaces) {
  host = interfaces;
}

/** One interface of the host, by its name in the contract. */
export function hostInterface(name) {
  if (host === undefined) {
    throw new Error("there is no host here: in a test, import `perstack/testing`");
  }
  if (host[name] === undefined) {
    throw new Error(`a ${host.kind} has no \`${name}\``);
  }
  return host[name];
}

/** What a function of the host failed with, as the contract has it; the error itself where it is no such failure. */
export function payload(error) {
  return error instanceof Error && error.payload !== undefined ? error.payload : error;
}
