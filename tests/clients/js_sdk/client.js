// One matrix-js-sdk device with Rust crypto in memory, driven by JSON lines.
// stdin: {"id", "command", "arguments"}; stdout: {"id", "result"} or {"id", "fault"}, and unasked {"seen"}.
// It ends when stdin does; its keys are then gone.
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { createClient, ClientEvent, MatrixEventEvent, RoomEvent } from "matrix-js-sdk";
import { OnlySignedDevicesIsolationMode } from "matrix-js-sdk/lib/crypto-api/index.js";
import { decrypt, encrypt } from "./attachment.js";

// Stdout is the protocol's alone: whatever the SDK and its Rust part log goes to stderr.
for (const level of ["debug", "info", "log", "trace", "warn"]) {
    console[level] = console.error;
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let client;

/** Says how an event looks now; said again when it could be decrypted later. */
function report(event) {
    const clear = event.getClearContent();
    say({
        seen: {
            room_id: event.getRoomId(),
            event_id: event.getId(),
            sender: event.getSender(),
            type: event.getType(),
            content: event.getContent(),
            encrypted: event.isEncrypted() && clear !== null && !event.isDecryptionFailure(),
            failure: event.isDecryptionFailure() ? event.decryptionFailureReason : null,
        },
    });
}

/** Waits for what comes by sync; whoever gave the command limits how long it may take. */
async function until(holds) {
    while (!(await holds())) {
        await setTimeout(100);
    }
}

const isSigned = async (user, device) =>
    (await client.getCrypto().getDeviceVerificationStatus(user, device))?.signedByOwner ?? false;

/** Whether this device is signed by the person's present identity, and that identity is the one whose keys are here. */
async function isOwnDeviceSigned() {
    const [user, device] = [client.getUserId(), client.getDeviceId()];
    return (await client.getCrypto().getUserVerificationStatus(user)).isVerified() && (await isSigned(user, device));
}

const commands = {
    /** Starts syncing; `only_signed` speaks with cross-signed devices alone (MSC4153). */
    async start({ homeserver, user_id, device_id, access_token, only_signed }) {
        client = createClient({ baseUrl: homeserver, userId: user_id, deviceId: device_id, accessToken: access_token });
        await client.initRustCrypto({ useIndexedDB: false });
        if (only_signed) {
            client.getCrypto().setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
        }
        client.on(RoomEvent.Timeline, (event) => {
            // An echo of our own sending has no event id of the homeserver's yet.
            if (!event.getId().startsWith("~") && !event.isBeingDecrypted()) report(event);
        });
        client.on(MatrixEventEvent.Decrypted, report);
        const ready = new Promise((resolve, reject) => {
            client.on(ClientEvent.Sync, (state, _, detail) => {
                if (state === "PREPARED") resolve();
                if (state === "ERROR") reject(detail?.error ?? new Error("the first sync failed"));
            });
        });
        await client.startClient({ initialSyncLimit: 50 });
        await ready;
        return { version: client.getCrypto().getVersion() };
    },

    /** Makes the person's cross-signing identity, or a new one if `anew`, and signs this device. */
    async make_identity({ auth, anew }) {
        const crypto = client.getCrypto();
        const hasPrivateKeys = async () => (await crypto.getCrossSigningStatus()).privateKeysCachedLocally.masterKey;
        // The SDK drops the new private keys if it hears of the lost identity before the homeserver has the new one.
        do {
            await crypto.bootstrapCrossSigning({
                setupNewCrossSigning: anew,
                authUploadDeviceSigningKeys: (upload) => upload(auth ?? null),
            });
            await until(async () => (await isOwnDeviceSigned()) || !(await hasPrivateKeys()));
        } while (!(await hasPrivateKeys()));
        return await crypto.getCrossSigningKeyId();
    },

    /** The identity's private keys, which another device of the person may take over. */
    async export_identity() {
        return await client.getCrypto().exportSecretsBundle();
    },

    /** Takes over the identity of another device and signs this one with it. */
    async import_identity({ secrets }) {
        const crypto = client.getCrypto();
        await crypto.getUserDeviceInfo([client.getUserId()], true);
        await crypto.importSecretsBundle(secrets);
        await crypto.crossSignDevice(client.getDeviceId());
        await until(isOwnDeviceSigned);
        return await crypto.getCrossSigningKeyId();
    },

    /** The devices of somebody, and whether each is signed by its owner. */
    async devices({ user_id }) {
        const crypto = client.getCrypto();
        const devices = (await crypto.getUserDeviceInfo([user_id], true)).get(user_id) ?? new Map();
        const signed = {};
        for (const device of devices.keys()) {
            signed[device] = await isSigned(user_id, device);
        }
        return signed;
    },

    async wait_until_signed({ user_id, device_id }) {
        await client.getCrypto().getUserDeviceInfo([user_id], true);
        await until(() => isSigned(user_id, device_id));
    },

    async join({ room_id }) {
        await client.joinRoom(room_id);
    },

    /** Waits until this device sees the room encrypted, and everybody named in it. */
    async wait_until_together({ room_id, user_ids }) {
        const isIn = (user) => client.getRoom(room_id)?.getMember(user)?.membership === "join";
        const isEncrypted = () => client.getCrypto().isEncryptionEnabledInRoom(room_id);
        await until(async () => user_ids.every(isIn) && (await isEncrypted()));
    },

    async send_text({ room_id, body }) {
        return (await client.sendEvent(room_id, "m.room.message", { msgtype: "m.text", body })).event_id;
    },

    async send_file({ room_id, path, name, media_type }) {
        const clear = await readFile(path);
        const { ciphertext, description } = await encrypt(clear);
        const { content_uri: url } = await client.uploadContent(ciphertext, { type: "application/octet-stream" });
        const content = {
            msgtype: "m.file",
            body: name,
            filename: name,
            info: { mimetype: media_type, size: clear.length },
            file: { ...description, url },
        };
        return (await client.sendEvent(room_id, "m.room.message", content)).event_id;
    },

    /** Downloads and decrypts a file into `path`. */
    async fetch_file({ file, path }) {
        const address = client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true);
        const answer = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
        if (!answer.ok) throw new Error(`the file was refused: ${answer.status}`);
        await writeFile(path, await decrypt(new Uint8Array(await answer.arrayBuffer()), file));
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { id, command, arguments: given } = JSON.parse(line);
    // Not awaited: a slow command must not hold up the next one.
    commands[command](given).then(
        (result) => say({ id, result: result ?? null }),
        (fault) => say({ id, fault: `${fault?.name}: ${fault?.message}` }),
    );
}
client?.stopClient();
process.exit(0);
