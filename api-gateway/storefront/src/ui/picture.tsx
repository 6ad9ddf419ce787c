import { useState } from 'react'
import { config } from '../api/config'

/** A square picture that reserves its place before it is loaded, and stays a quiet box if it cannot be. */
export function Picture({ src, alt, eager = false, className = '' }: { src: string | undefined; alt: string; eager?: boolean; className?: string }) {
  const [broken, setBroken] = useState(false)
  return (
    <div className={`aspect-square overflow-hidden rounded-lg bg-slate-100 ${className}`}>
      {src && !broken && (
        <img
          src={src.startsWith('/') ? config.api + src : src}
          alt={alt}
          width={600}
          height={600}
          loading={eager ? 'eager' : 'lazy'}
          fetchPriority={eager ? 'high' : 'auto'}
          decoding="async"
          onError={() => setBroken(true)}
          className="size-full object-cover"
        />
      )}
    </div>
  )
}
