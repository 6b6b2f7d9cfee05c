// Encrypts and decrypts a file as the Matrix specification says: AES-CTR with a key of its own, SHA-256 of the ciphertext.
import { webcrypto } from "node:crypto";

const unpadded = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");
const digest = async (bytes) => unpadded(await webcrypto.subtle.digest("SHA-256", bytes));
// Half of the counter block is random, the other half counts and starts at zero.
const counter = (block) => ({ name: "AES-CTR", counter: block, length: 64 });

/** The ciphertext, and the description (without its address) that goes into the event. */
export async function encrypt(clear) {
    const key = await webcrypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
    const block = new Uint8Array(16);
    webcrypto.getRandomValues(block.subarray(0, 8));
    const ciphertext = new Uint8Array(await webcrypto.subtle.encrypt(counter(block), key, clear));
    const description = {
        v: "v2",
        key: await webcrypto.subtle.exportKey("jwk", key),
        iv: unpadded(block),
        hashes: { sha256: await digest(ciphertext) },
    };
    return { ciphertext, description };
}

/** The file in clear; throws if its hash is not the described one. */
export async function decrypt(ciphertext, description) {
    if ((await digest(ciphertext)) !== description.hashes.sha256) {
        throw new Error("the file's hash is not the described one");
    }
    const key = await webcrypto.subtle.importKey("jwk", description.key, { name: "AES-CTR" }, false, ["decrypt"]);
    const block = new Uint8Array(Buffer.from(description.iv, "base64"));
    return new Uint8Array(await webcrypto.subtle.decrypt(counter(block), key, ciphertext));
}
