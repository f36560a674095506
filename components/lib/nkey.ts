/** NKeys: public ones of users, checked as the server checks them, and seeds, which nothing may show. */

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/**
 * True for a public NKey of a user: 35 bytes in base32, of which the first says "user" (so the text
 * begins with `U`), 32 are the Ed25519 key and the last two their CRC-16, low byte first.
 */
export function isUserKey(text: string): boolean {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return false;
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    value = (value << 5) | alphabet.indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
      value &= (1 << bits) - 1;
    }
  }
  const [low = 0, high = 0] = bytes.slice(33);
  return bytes[0] === 20 << 3 && crc16(bytes.slice(0, 33)) === low + high * 256;
}

/** The text without the seeds in it: one that was put where a public key belongs must not be repeated. */
export function hideSeeds(text: string): string {
  return text.replaceAll(/S[A-Z2-7]{57}/g, "S…(a seed, which is secret: replace the pair)");
}

/** CRC-16 with polynomial 0x1021 and start value 0 (XMODEM), as NKeys use it. */
function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    }
  }
  return crc;
}

/** The id of the secret that holds a service's seed. The services that are given it read it at start. */
export function seedSecretId(service: string): string {
  return `nats-seed-${service}`;
}
